"""`POST /api/embed`: vectors of texts; and `/api/embeddings`, the older way to ask for one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.engine.instances import Keep
from samovar_agent.http.answering import json_response, last
from samovar_agent.http.json_body import read_json
from samovar_agent.http.ollama.keep_alive import KeepAlive, ttl_seconds
from samovar_agent.http.ollama.model_names import Meant, find_model
from samovar_agent.http.ollama.options import NO_OPTIONS, Options
from samovar_agent.http.ollama.truncating import shortened
from samovar_agent.http.open_work import Job
from samovar_agent.http.vectors import json_list
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import EmbedReply, numbers
from samovar_protocol.values import InstanceInfo, Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class EmbedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - input: nothing to read only loads the model. - truncate: what is too long, unless it is false.

    - options: those about choosing tokens are checked and have no effect, which the reply says; no token is chosen
    for a vector.
    """

    model: Name
    input: str | Annotated[list[str], Meta(max_length=20_000)]
    truncate: bool | None = None
    dimensions: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    options: Options | None = None
    keep_alive: KeepAlive = None


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The older body."""

    model: Name
    prompt: str | None = None
    options: Options | None = None
    keep_alive: KeepAlive = None


class EmbedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One vector a text, in their order. Durations are nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int


class EmbeddingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The only vector."""

    embedding: list[float]


_decoder = msgspec.json.Decoder(EmbedRequest)
_older_decoder = msgspec.json.Decoder(EmbeddingsRequest)


class Embed:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Vectors of as many texts as there are."""
        began = time.perf_counter_ns()
        body = await read_json(request, _decoder)
        model, keep = self._model(body)
        texts = [body.input] if isinstance(body.input, str) else body.input
        if texts in ([], [""]):
            await self._load(model, keep, job)
            return _response(body, b"[]", began, 0.0, 0)
        truncate = body.truncate is not False
        reply = await self._embed(model, texts, keep, job, truncate=truncate, dimensions=body.dimensions)
        rows = await json_list(reply, lambda _, vector: numbers(vector))
        return _response(body, rows, began, reply.seconds, reply.prompt_tokens)

    async def create_one(self, request: web.Request, job: Job) -> web.Response:
        """One vector."""
        body = await read_json(request, _older_decoder)
        model, keep = self._model(body)
        if not body.prompt:
            await self._load(model, keep, job)
            return json_response(msgspec.json.encode(EmbeddingsResponse(embedding=[])), _headers(body))
        reply = await self._embed(model, [body.prompt], keep, job, truncate=True)
        return json_response(msgspec.json.encode(EmbeddingsResponse(embedding=reply.rows()[0])), _headers(body))

    def _model(self, body: EmbedRequest | EmbeddingsRequest) -> tuple[Meant, Keep]:
        options = body.options or NO_OPTIONS
        options.to_sampling()
        keep = Keep(ttl_seconds(body.keep_alive), options.num_ctx)
        model = find_model(self._services, body.model)
        model.check("embedding", "embeddings")
        return model, model.possible(keep)

    async def _load(self, model: Meant, keep: Keep, job: Job) -> None:
        await last(self._services.instances.ready(model.name, "embedding", keep=keep), InstanceInfo, job)

    async def _embed(
        self, model: Meant, texts: list[str], keep: Keep, job: Job, *, truncate: bool, dimensions: int | None = None
    ) -> EmbedReply:
        async def once(inputs: list[str]) -> EmbedReply:
            items = self._services.instances.embed(
                model.name, inputs, dimensions=dimensions, client=job.client, keep=keep
            )
            return await last(items, EmbedReply, job)

        try:
            return await once(texts)
        except SamovarError as error:
            limit = error.failure.details.get("context_length")
            if error.code != FailureCode.CONTEXT_OVERFLOW or not truncate or not isinstance(limit, int):
                raise
        async with job.interruptible():
            shorter = [await shortened(self._services.instances, model.name, text, limit) for text in texts]
        return await once(shorter)


def _response(body: EmbedRequest, rows: bytes, began: int, seconds: float, tokens: int) -> web.Response:
    """The reply. - rows: its vectors as JSON."""
    total = time.perf_counter_ns() - began
    found = EmbedResponse(
        model=body.model,
        embeddings=[],
        total_duration=total,
        # And waiting, which is nearly nothing where it is loaded.
        load_duration=max(total - round(seconds * 1e9), 0),
        prompt_eval_count=tokens,
    )
    around = msgspec.json.encode(found)
    return json_response(around.replace(b'"embeddings":[]', b'"embeddings":' + rows, 1), _headers(body))


def _headers(body: EmbedRequest | EmbeddingsRequest) -> dict[str, str]:
    return (body.options or NO_OPTIONS).to_headers(writes=False)
