"""`POST /v1/embeddings`: vectors of texts."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.answering import json_response, last
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.accounting import PromptUsage
from samovar_agent.http.openai.keeping import Ttl, keep_of
from samovar_agent.http.openai.model_names import named
from samovar_agent.http.openai.token_inputs import Inputs, inputs_of
from samovar_agent.http.openai.without_effect import without_effect
from samovar_agent.http.vectors import json_list
from samovar_protocol.replies import EmbedReply, numbers
from samovar_protocol.values import Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - input: a text, the tokens of one, or a list of either. - user: told to be without effect."""

    model: Name | None = None
    input: Inputs
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    ttl: Ttl | None = None
    user: str | None = None

    def to_inputs(self) -> list[str | list[int]]:
        """One entry a vector; raises `bad_request` for a mixture of texts and single tokens."""
        return inputs_of(self.input, "input", most=20_000)


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """A vector: numbers, or in base64 the same as 32-bit floats, little-endian."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingList(msgspec.Struct, frozen=True, kw_only=True):
    """One vector an input, in their order."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: PromptUsage


_decoder = msgspec.json.Decoder(EmbeddingsRequest)


class Embeddings:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Answer one request; a client that goes away cancels this, and with it the engine's work."""
        body = await read_json(request, _decoder)
        model = named(self._services, body.model, "embedding")
        items = self._services.instances.embed(
            model, body.to_inputs(), dimensions=body.dimensions, client=job.client, keep=keep_of(body.ttl)
        )
        reply = await last(items, EmbedReply, job)
        return json_response(await embedding_list(reply, body.encoding_format), without_effect(body))


async def embedding_list(reply: EmbedReply, encoding: Literal["float", "base64"] | None) -> bytes:
    """The whole reply."""

    def entry(index: int, vector: bytes) -> Embedding:
        embedding = base64.b64encode(vector).decode() if encoding == "base64" else numbers(vector)
        return Embedding(index=index, embedding=embedding)

    usage = PromptUsage(reply.prompt_tokens, reply.prompt_tokens)
    around = msgspec.json.encode(EmbeddingList(data=[], model=reply.model, usage=usage))
    return around.replace(b'"data":[]', b'"data":' + await json_list(reply, entry), 1)
