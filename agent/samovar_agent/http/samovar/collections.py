"""`/api/samovar/collections`: collections, and what goes into them and out.

    GET    /api/samovar/collections
    POST   /api/samovar/collections                         {"name": "notes"}
    PATCH  /api/samovar/collections/notes                   {"rename": "old notes"}
    POST   /api/samovar/collections/notes/documents         {"paths": ["/home/me/notes"], "stream": true}
    DELETE /api/samovar/collections/notes/documents/7

What they take and answer is the control protocol's `docs_create`, `docs_add` and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response, streamed
from samovar_agent.http.open_work import Job
from samovar_agent.http.query import find_number
from samovar_agent.http.samovar.following import follow, nobody
from samovar_agent.http.samovar.protocol_body import read_parameters, read_request, read_streamed
from samovar_protocol.replies import DocsCollectionReply, DocsCollectionsReply, DocsRmReply, DocsWatchReply, Reply
from samovar_protocol.requests import (
    DocsAdd,
    DocsChange,
    DocsCollections,
    DocsCreate,
    DocsDelete,
    DocsExport,
    DocsLs,
    DocsRm,
    DocsWatch,
)

if TYPE_CHECKING:
    from samovar_agent.services import Services


class Collections:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """All of them, by name."""
        read_parameters(request, DocsCollections, name=None)
        return response(DocsCollectionsReply(collections=await self._services.documents.collections()))

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them."""
        asked = read_parameters(request, DocsCollections, name=request.match_info["collection"])
        [collection] = await self._services.documents.collections(asked.name)
        return response(DocsCollectionReply(collection=collection))

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """An empty one."""
        asked = await read_request(request, DocsCreate)
        async with job.interruptible():
            return response(DocsCollectionReply(collection=await self._services.documents.create(asked)))

    async def change(self, request: web.Request, job: Job) -> web.Response:
        """Another name or embedding model."""
        asked = await read_request(request, DocsChange, collection=request.match_info["collection"])
        async with job.interruptible():
            return response(DocsCollectionReply(collection=await self._services.documents.change(asked)))

    async def delete(self, request: web.Request, job: Job) -> web.Response:
        """Remove it; how many documents went with it."""
        asked = await read_request(request, DocsDelete, collection=request.match_info["collection"])
        async with job.interruptible():
            return response(DocsRmReply(removed=await self._services.documents.delete(asked.collection)))

    async def ls_documents(self, request: web.Request, job: Job) -> web.Response:
        """A portion of its documents, and where they come from."""
        asked = read_parameters(request, DocsLs, collection=request.match_info["collection"])
        return response(await self._services.documents.ls(asked))

    async def add(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Take in files, folders or a text. A client that leaves early leaves the work to the agent."""
        stream, asked = await read_streamed(request, DocsAdd, collection=request.match_info["collection"])
        documents = self._services.documents
        if stream:
            return await streamed(
                request,
                job,
                lambda events: follow(events, lambda report: documents.add(asked, on_progress=report)),
            )
        async with job.interruptible():
            return response(await documents.add(asked, on_progress=nobody))

    async def rm(self, request: web.Request, job: Job) -> web.Response:
        """Remove documents by path or id."""
        asked = await read_request(request, DocsRm, collection=request.match_info["collection"])
        return await self._rm(asked, job)

    async def rm_one(self, request: web.Request, job: Job) -> web.Response:
        """Remove one document."""
        document = find_number(request.match_info["document"], "document")
        asked = await read_request(
            request, DocsRm, collection=request.match_info["collection"], documents=[document], paths=[]
        )
        return await self._rm(asked, job)

    async def watch(self, request: web.Request, job: Job) -> web.Response:
        """Keep a source in step, or no longer."""
        asked = await read_request(request, DocsWatch, collection=request.match_info["collection"])
        async with job.interruptible():
            return response(DocsWatchReply(source=await self._services.documents.watch(asked)))

    async def export(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Write it to a file on this machine."""
        stream, asked = await read_streamed(request, DocsExport, collection=request.match_info["collection"])
        documents = self._services.documents
        if stream:
            return await streamed(
                request,
                job,
                lambda events: follow(events, lambda report: documents.export(asked, on_progress=report)),
            )
        async with job.interruptible():
            return response(await documents.export(asked, on_progress=nobody))

    async def _rm(self, asked: DocsRm, job: Job) -> web.Response:
        async with job.interruptible():
            return response(DocsRmReply(removed=await self._services.documents.rm(asked)))


def response(reply: Reply) -> web.Response:
    """A reply of the protocol."""
    return json_response(msgspec.json.encode(reply))
