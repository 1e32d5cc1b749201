"""`POST /v1/rerank`: documents by how well they answer a query, in the shape of Jina's and Cohere's APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from samovar_agent.http.answering import json_response, last
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.accounting import PromptUsage
from samovar_agent.http.openai.keeping import Ttl, keep_of
from samovar_agent.http.openai.model_names import named
from samovar_agent.http.openai.without_effect import without_effect
from samovar_protocol.replies import RerankReply
from samovar_protocol.values import Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document, where it is not just its text."""

    text: str


class RerankRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - top_n: only the best so many. - user: told to be without effect."""

    model: Name | None = None
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | Document], Meta(min_length=1, max_length=20_000)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
    ttl: Ttl | None = None
    user: str | None = None

    def texts(self) -> list[str]:
        """The documents' texts."""
        return [document if isinstance(document, str) else document.text for document in self.documents]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """- index: of the document in the request. - relevance_score: larger is closer."""

    index: int
    relevance_score: float
    document: Document | UnsetType = UNSET


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The documents, best first."""

    object: Literal["list"] = "list"
    model: str
    results: list[Result]
    usage: PromptUsage


_decoder = msgspec.json.Decoder(RerankRequest)


class Rerank:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Answer one request; a client that goes away cancels this, and with it the engine's work."""
        body = await read_json(request, _decoder)
        texts = body.texts()
        model = named(self._services, body.model, "rerank")
        items = self._services.instances.rerank(
            model, body.query, texts, top=body.top_n, client=job.client, keep=keep_of(body.ttl)
        )
        reply = await last(items, RerankReply, job)
        results = [
            Result(
                index=ranked.index,
                relevance_score=ranked.score,
                document=Document(texts[ranked.index]) if body.return_documents else UNSET,
            )
            for ranked in reply.results
        ]
        return json_response(
            msgspec.json.encode(
                Ranking(
                    model=reply.model,
                    results=results,
                    usage=PromptUsage(reply.prompt_tokens, reply.prompt_tokens),
                )
            ),
            without_effect(body),
        )
