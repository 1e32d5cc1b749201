"""`/api/samovar/documents`: documents of all collections: search, questions, what they say.

    POST /api/samovar/documents/search      {"query": "tea", "collections": ["notes"]}
    POST /api/samovar/documents/ask         {"question": "When does it end?"}, with "stream": true in pieces
    GET  /api/samovar/documents/7/text?start=0&end=1000

What they take and answer is the control protocol's `docs_search`, `docs_ask` and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from samovar_agent.http.answering import last, streamed
from samovar_agent.http.open_work import Job
from samovar_agent.http.query import find_number
from samovar_agent.http.samovar.collections import response
from samovar_agent.http.samovar.following import Report, follow, nobody, relay
from samovar_agent.http.samovar.protocol_body import read_parameters, read_request, read_streamed
from samovar_protocol.replies import DocsAskReply, DocsCollectionReply, DocsRetryReply, DocsSearchReply
from samovar_protocol.requests import DocsAsk, DocsImport, DocsLs, DocsRetry, DocsSearch, DocsText

if TYPE_CHECKING:
    from samovar_agent.services import Services


class Documents:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """A portion of the documents of all collections or one."""
        return response(await self._services.documents.ls(read_parameters(request, DocsLs)))

    async def text(self, request: web.Request, job: Job) -> web.Response:
        """What a document says."""
        document = find_number(request.match_info["document"], "document")
        asked = read_parameters(request, DocsText, document=document)
        async with job.interruptible():
            return response(await self._services.documents.text(asked))

    async def retry(self, request: web.Request, job: Job) -> web.Response:
        """Read again what failed."""
        asked = await read_request(request, DocsRetry)
        async with job.interruptible():
            return response(DocsRetryReply(queued=await self._services.documents.retry(asked)))

    async def search(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Passages; as events, also how far loading a model is."""
        stream, asked = await read_streamed(request, DocsSearch)
        items = self._services.documents.search(asked, client=job.client)
        if stream:
            return await streamed(request, job, lambda events: relay(events, items))
        return response(await last(items, DocsSearchReply, job))

    async def ask(self, request: web.Request, job: Job) -> web.StreamResponse:
        """An answer; as events, in pieces and then whole with its citations. A client that leaves stops the work."""
        stream, asked = await read_streamed(request, DocsAsk)
        items = self._services.documents.ask(asked, client=job.client)
        if stream:
            return await streamed(request, job, lambda events: relay(events, items))
        return response(await last(items, DocsAskReply, job))

    async def import_(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Take in a collection from a file on this machine."""
        stream, asked = await read_streamed(request, DocsImport)

        async def work(report: Report) -> DocsCollectionReply:
            return DocsCollectionReply(collection=await self._services.documents.import_(asked, on_progress=report))

        if stream:
            return await streamed(request, job, lambda events: follow(events, work))
        async with job.interruptible():
            return response(await work(nobody))
