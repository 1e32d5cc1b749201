"""`/v1/vector_stores/{id}/files` and `/file_batches`: files in a vector store, one by one and many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.documents.vector_stores import VectorStores
from samovar_agent.http.answering import json_response
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.files import file_number as file_in_path
from samovar_agent.http.openai.listing import ListQuery, cursor, listed
from samovar_agent.http.openai.vector_store_objects import (
    BATCH_PREFIX,
    FILE_PREFIX,
    STORE_PREFIX,
    Content,
    Deleted,
    Page,
    batch_object,
    file_object,
)
from samovar_agent.http.openai.vector_store_requests import (
    AttachFile,
    ChangeFile,
    CreateBatch,
    file_number,
    refuse_static,
)
from samovar_agent.http.openai.vector_stores import store_number
from samovar_agent.http.query import find_number, read_query
from samovar_agent.store.attachments import AttachmentRow, AttachmentStatus, BatchRow
from samovar_agent.store.portions import Portion
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.requests import DocsText

if TYPE_CHECKING:
    from samovar_agent.services import Services

_attach_decoder = msgspec.json.Decoder(AttachFile)
_change_decoder = msgspec.json.Decoder(ChangeFile)
_batch_decoder = msgspec.json.Decoder(CreateBatch)


class StoreFilesQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the list. - filter: only files in this status."""

    filter: AttachmentStatus | None = None


class StoreFiles:
    """The endpoints."""

    def __init__(self, services: Services, stores: VectorStores) -> None:
        self._services, self._stores = services, stores

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Attach a file; it is read in the background."""
        store = store_number(request)
        body = await read_json(request, _attach_decoder)
        refuse_static(body.chunking_strategy)
        file = file_number(body.file_id, "file_id")
        async with job.interruptible():
            await self._stores.attach(store, {file: body.attributes or {}})
        return _response(await self._attachment(store, file))

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """A portion of the files that are attached."""
        return await self._listed(request, await self._store(request))

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them, and how far it is."""
        return _response(await self._attachment(await self._store(request), file_in_path(request)))

    async def change(self, request: web.Request, job: Job) -> web.Response:
        """Other attributes."""
        store, file = await self._store(request), file_in_path(request)
        body = await read_json(request, _change_decoder)
        await self._stores.set_attributes(await self._attachment(store, file), body.attributes or {})
        return _response(await self._attachment(store, file))

    async def delete(self, request: web.Request, job: Job) -> web.Response:
        """Take a file out of the vector store; the file itself stays."""
        row = await self._attachment(await self._store(request), file_in_path(request))
        async with job.interruptible():
            await self._stores.detach(row)
        deleted = Deleted(id=f"{FILE_PREFIX}{row.file}", object="vector_store.file.deleted")
        return json_response(msgspec.json.encode(deleted))

    async def content(self, request: web.Request, job: Job) -> web.Response:
        """What was read of a file."""
        row = await self._attachment(await self._store(request), file_in_path(request))
        if row.status != "completed" or row.document is None:
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"Nothing was read of 'file-{row.file}': it is {row.status.replace('_', ' ')}.",
                hint="Wait until its status is 'completed'.",
            )
        async with job.interruptible():
            reply = await self._services.documents.text(DocsText(document=row.document))
        page = Page(object="vector_store.file_content.page", data=[Content(reply.text)])
        return json_response(msgspec.json.encode(page))

    async def create_batch(self, request: web.Request, job: Job) -> web.Response:
        """Attach many files."""
        store = await self._store(request)
        body = await read_json(request, _batch_decoder)
        files = body.to_files()
        async with job.interruptible():
            batch = await self._stores.attach_batch(store, files)
        return await self._batch_response(batch)

    async def find_batch(self, request: web.Request, job: Job) -> web.Response:
        """How far a batch is."""
        return await self._batch_response((await self._batch(request)).id)

    async def cancel_batch(self, request: web.Request, job: Job) -> web.Response:
        """Read no more of its files."""
        batch = await self._batch(request)
        async with job.interruptible():
            await self._stores.cancel_batch(batch)
        return await self._batch_response(batch.id)

    async def ls_batch(self, request: web.Request, job: Job) -> web.Response:
        """A portion of its files."""
        batch = await self._batch(request)
        return await self._listed(request, batch.collection, batch.id)

    async def _store(self, request: web.Request) -> int:
        return (await self._services.store.vector_stores.get(store_number(request))).id

    async def _attachment(self, store: int, file: int) -> AttachmentRow:
        if (row := await self._services.store.attachments.find(store, file)) is None:
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"There is no file 'file-{file}' in the vector store '{STORE_PREFIX}{store}'.",
                hint=f"Attach it: POST /v1/vector_stores/{STORE_PREFIX}{store}/files.",
            )
        return row

    async def _batch(self, request: web.Request) -> BatchRow:
        store = await self._store(request)
        number = find_number(request.match_info["batch"], "batch", prefix=BATCH_PREFIX)
        batch = await self._services.store.attachments.find_batch(number)
        if batch is None or batch.collection != store:
            raise _no_batch(number)
        return batch

    async def _batch_response(self, number: int) -> web.Response:
        batch = await self._services.store.attachments.find_batch(number)
        if batch is None:  # its vector store went meanwhile
            raise _no_batch(number)
        return json_response(msgspec.json.encode(batch_object(batch)))

    async def _listed(self, request: web.Request, store: int, batch: int | None = None) -> web.Response:
        query = read_query(request, StoreFilesQuery)
        portion = Portion(
            after=await self._cursor("after", query.after, store),
            before=await self._cursor("before", query.before, store),
            limit=query.limit,
            newest_first=query.order == "desc",
        )
        rows, more = await self._services.store.attachments.ls(store, portion, status=query.filter, batch=batch)
        return listed([file_object(row) for row in rows], more=more)

    async def _cursor(self, name: str, id_: str | None, store: int) -> int | None:
        """The row where the portion begins or ends: files are listed in the order in which they were attached."""
        if (file := cursor(name, id_, FILE_PREFIX)) is None:
            return None
        if (row := await self._services.store.attachments.find(store, file)) is None:
            raise bad_request(f"'{name}' is a file that is not in the vector store: '{id_}'.", param=name)
        return row.id


def _no_batch(number: int) -> SamovarError:
    return SamovarError(FailureCode.NOT_FOUND, f"There is no batch '{BATCH_PREFIX}{number}' in this vector store.")


def _response(row: AttachmentRow) -> web.Response:
    return json_response(msgspec.json.encode(file_object(row)))
