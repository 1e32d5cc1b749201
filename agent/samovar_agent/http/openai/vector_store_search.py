"""`POST /v1/vector_stores/{id}/search`: passages of a collection that fit one query or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.answering import json_response, last
from samovar_agent.http.json_body import read_json, refuse
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.attribute_filters import AttributeFilter
from samovar_agent.http.openai.filtered_documents import filtered_documents, shown_id
from samovar_agent.http.openai.vector_store_objects import Content, Page
from samovar_agent.http.openai.vector_stores import store_number
from samovar_agent.store.attachments import AttachmentRow, Attributes
from samovar_protocol.documents import DocumentFilter, DocumentPassage
from samovar_protocol.replies import DocsSearchReply
from samovar_protocol.requests import DocsSearch

if TYPE_CHECKING:
    from samovar_agent.services import Services

Query = Annotated[str, Meta(min_length=1, max_length=100_000)]


class RankingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """- ranker: "none" for no reranking model; the others use the one that is in memory, if any.

    - score_threshold: results of less are left out; there is no reranking then.
    """

    ranker: Literal["none", "auto", "default-2024-11-15"] | None = None
    score_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - query: of several, the best results of each."""

    query: Query | Annotated[list[Query], Meta(min_length=1, max_length=16)]
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | None = None
    filters: AttributeFilter | None = None
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """A passage.

    - file_id: "doc-…" where it is of a document that was not uploaded. - samovar: where it stands.
    """

    file_id: str
    filename: str
    score: float
    attributes: Attributes
    content: list[Content]
    samovar: dict[str, Any]


class SearchResults(Page, frozen=True, kw_only=True):
    """- samovar: what was searched by, and what was missing."""

    search_query: list[str]
    samovar: dict[str, Any]


_decoder = msgspec.json.Decoder(SearchRequest)


class StoreSearch:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Answer one request."""
        row = await self._services.store.vector_stores.get(store_number(request))
        body = await read_json(request, _decoder)
        refuse(
            body, {"rewrite_query": (False,)}, "", hints={"rewrite_query": "Send the query as it is to be searched."}
        )
        queries = [body.query] if isinstance(body.query, str) else body.query
        documents = await filtered_documents(self._services.store.attachments, [row.id], body.filters)
        replies: list[DocsSearchReply] = []
        if documents != ():
            replies = [await self._search(row.collection, query, body, documents or (), job) for query in queries]
        passages = _best(replies, body)
        files = await self._services.store.attachments.of_documents([passage.document for passage in passages])
        results = SearchResults(
            object="vector_store.search_results.page",
            search_query=queries,
            data=[_result(passage, files.get(passage.document)) for passage in passages],
            samovar={"method": replies[0].method, "note": replies[0].note} if replies else {},
        )
        return json_response(msgspec.json.encode(results))

    async def _search(
        self, collection: str, query: str, body: SearchRequest, documents: tuple[int, ...], job: Job
    ) -> DocsSearchReply:
        options = body.ranking_options or RankingOptions()
        search = DocsSearch(
            query=query,
            collections=[collection],
            filter=DocumentFilter(documents=documents),
            limit=body.max_num_results or 10,
            # A reranking model has a scale of its own, on which a threshold from 0 to 1 means nothing.
            rerank=False if options.ranker == "none" or options.score_threshold else None,
        )
        return await last(self._services.documents.search(search, client=job.client), DocsSearchReply, job)


def _best(replies: list[DocsSearchReply], body: SearchRequest) -> list[DocumentPassage]:
    """The best passages of all queries, each once."""
    threshold = body.ranking_options.score_threshold if body.ranking_options is not None else None
    best: dict[tuple[int, int, int], DocumentPassage] = {}
    for reply in replies:
        for passage in reply.passages:
            place = (passage.document, passage.start, passage.end)
            if (threshold is None or passage.score >= threshold) and (
                place not in best or best[place].score < passage.score
            ):
                best[place] = passage
    return sorted(best.values(), key=lambda passage: -passage.score)[: body.max_num_results or 10]


def _result(passage: DocumentPassage, file: AttachmentRow | None) -> SearchResult:
    return SearchResult(
        file_id=shown_id(passage.document, file),
        filename=passage.name,
        score=passage.score,
        attributes=file.attributes if file is not None else {},
        content=[Content(passage.text)],
        samovar={
            "document": passage.document,
            "title": passage.title,
            "path": passage.path,
            "page": passage.page,
            "headings": passage.headings,
            "start": passage.start,
            "end": passage.end,
        },
    )
