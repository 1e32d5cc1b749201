"""`/v1/files`: files that clients upload, to attach them to vector stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.documents.uploaded_files import UploadedFiles
from samovar_agent.documents.vector_stores import VectorStores
from samovar_agent.http.answering import json_response, request_id
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.file_upload import read_upload
from samovar_agent.http.openai.listing import Order, cursor, listed
from samovar_agent.http.query import find_number, read_query
from samovar_agent.store.files import FileRow
from samovar_agent.store.portions import Portion
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from samovar_agent.services import Services

PREFIX = "file-"

_HARMLESS = {
    # A page of somebody's making must not run as one of ours.
    "Content-Type": "application/octet-stream",
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
}


class FileObject(msgspec.Struct, frozen=True, kw_only=True):
    """A file as OpenAI shows it."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    expires_at: None = None


class FileDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is no more."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class FilesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the list."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    order: Order = "desc"
    purpose: Annotated[str, Meta(max_length=100)] | None = None


class Files:
    """The endpoints."""

    def __init__(self, services: Services, files: UploadedFiles, stores: VectorStores) -> None:
        self._store, self._files, self._stores = services.store, files, stores

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Take in a file."""
        async with job.interruptible():
            row = await read_upload(request, self._files)
        return _response(row)

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """A portion of the files."""
        query = read_query(request, FilesQuery)
        portion = Portion(
            after=cursor("after", query.after, PREFIX), limit=query.limit, newest_first=query.order == "desc"
        )
        rows, more = await self._store.files.ls(portion, query.purpose)
        return listed([_object(row) for row in rows], more=more)

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them."""
        return _response(await self._store.files.get(file_number(request)))

    async def content(self, request: web.Request, job: Job) -> web.StreamResponse:
        """The file itself."""
        path = self._files.path(await self._store.files.get(file_number(request)))
        if not path.is_file():
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"The file is no longer where it was kept, {path}.",
                hint="Upload it again and delete this one.",
            )
        return web.FileResponse(path, headers=_HARMLESS | request_id())

    async def delete(self, request: web.Request, job: Job) -> web.Response:
        """Remove it, also from all vector stores."""
        number = file_number(request)
        await self._stores.delete_file(number)
        return json_response(msgspec.json.encode(FileDeleted(id=f"{PREFIX}{number}")))


def file_number(request: web.Request) -> int:
    """The number of the file in the path."""
    return find_number(request.match_info["file"], "file", prefix=PREFIX)


def _object(row: FileRow) -> FileObject:
    return FileObject(
        id=f"{PREFIX}{row.id}",
        bytes=row.size,
        created_at=int(row.created_at),
        filename=row.name,
        purpose=row.purpose,
    )


def _response(row: FileRow) -> web.Response:
    return json_response(msgspec.json.encode(_object(row)))
