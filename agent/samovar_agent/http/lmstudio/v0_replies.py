"""`POST /api/v0/chat/completions`, `completions` and `embeddings`: OpenAI's replies with how they came about."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import Encoder, json_response, last, stream
from samovar_agent.http.json_body import off_loop_if_long, read_json
from samovar_agent.http.lmstudio.serving import Serving
from samovar_agent.http.lmstudio.v0_accounting import Additions, additions, embedding_stats, reply_stats
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.chat_chunks import Chunks
from samovar_agent.http.openai.chat_reply import completion
from samovar_agent.http.openai.chat_request import ChatRequest
from samovar_agent.http.openai.completion_chunks import TextChunks
from samovar_agent.http.openai.completion_reply import text_completion
from samovar_agent.http.openai.completion_request import CompletionRequest
from samovar_agent.http.openai.completions import Texts, new_text_id
from samovar_agent.http.openai.embeddings import EmbeddingsRequest, embedding_list
from samovar_agent.http.openai.keeping import keep_of
from samovar_agent.http.openai.model_names import may_think, named
from samovar_agent.http.openai.without_effect import stream_with, without_effect
from samovar_protocol.replies import ChatReply, EmbedReply
from samovar_protocol.values import AnyDelta, Progress, Sampling, Thinking

if TYPE_CHECKING:
    from samovar_agent.services import Services

_LAST = b"}\n\ndata: [DONE]\n\n"
_chat_decoder = msgspec.json.Decoder(ChatRequest)
_text_decoder = msgspec.json.Decoder(CompletionRequest)
_embeddings_decoder = msgspec.json.Decoder(EmbeddingsRequest)


class Replies:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def chat(self, request: web.Request, job: Job) -> web.StreamResponse:
        """A conversation's next turn, whole or as it is written."""
        body = await read_json(request, _chat_decoder)
        messages, sampling, options = await off_loop_if_long(
            request, lambda: (body.to_messages(), body.to_sampling(), body.to_options())
        )
        wanted = named(self._services, body.model, "chat")
        serving = Serving(self._services, wanted, "chat", keep=keep_of(body.ttl))
        headers = body.to_headers(lambda: may_think(self._services, wanted))
        instances = self._services.instances
        items = serving.items(
            lambda identifier: instances.generate(identifier, messages, sampling, options, client=job.client)
        )
        id_, created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        if body.stream:

            def chunks() -> Encoder:
                model = serving.instance.model
                return Chunks(id=id_, created=created, model=model, n=options.n, wants_usage=body.wants_usage)

            return await self._stream(request, job, items, chunks, serving, sampling, headers)
        reply, reasoning_tokens = await _counted(items, job)
        whole = completion(reply, id=id_, created=created, reasoning_tokens=reasoning_tokens)
        return json_response(with_additions(whole, self._additions(serving, sampling, reply)), headers)

    async def completions(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Texts that go on, whole or as they are written."""
        body = await read_json(request, _text_decoder)
        texts = await off_loop_if_long(request, lambda: Texts(body, self._services.instances, job.client))
        sampling = body.to_sampling()
        serving = Serving(self._services, named(self._services, body.model, "chat"), "chat", keep=keep_of(body.ttl))
        items = serving.items(texts.items)
        id_, created = new_text_id(), int(time.time())
        if body.stream:

            def chunks() -> Encoder:
                model, echoes = serving.instance.model, texts.echoes
                return TextChunks(
                    id=id_,
                    created=created,
                    model=model,
                    echoes=echoes,
                    wants_usage=body.wants_usage,
                    wants_stats=False,
                )

            return await self._stream(request, job, items, chunks, serving, sampling, body.to_headers())
        reply = await last(items, ChatReply, job)
        whole = text_completion(reply, id=id_, created=created, echoes=texts.echoes, stats=False)
        return json_response(with_additions(whole, self._additions(serving, sampling, reply)), body.to_headers())

    async def embeddings(self, request: web.Request, job: Job) -> web.Response:
        """Vectors of texts."""
        body = await read_json(request, _embeddings_decoder)
        inputs = body.to_inputs()
        serving = Serving(
            self._services, named(self._services, body.model, "embedding"), "embedding", keep=keep_of(body.ttl)
        )
        instances = self._services.instances
        items = serving.items(
            lambda identifier: instances.embed(identifier, inputs, dimensions=body.dimensions, client=job.client)
        )
        reply = await last(items, EmbedReply, job)
        added = additions(self._services, serving.instance, embedding_stats(reply))
        listed = await embedding_list(reply, body.encoding_format)
        return json_response(with_additions(listed, added), without_effect(body))

    async def _stream(
        self,
        request: web.Request,
        job: Job,
        items: AsyncGenerator[AnyDelta | Progress | ChatReply, None],
        encoder: Callable[[], Encoder],
        serving: Serving,
        sampling: Sampling,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        def added(reply: ChatReply) -> Additions:
            return self._additions(serving, sampling, reply)

        kind = stream_with(headers)
        return await stream(request, job, items, lambda: StreamWithAdditions(encoder(), added), kind=kind)

    def _additions(self, serving: Serving, sampling: Sampling, reply: ChatReply) -> Additions:
        return additions(self._services, serving.instance, reply_stats(reply, sampling, serving.instance))


class StreamWithAdditions:
    """A stream of OpenAI's whose last chunk has the further fields, too. - added: what they are for a reply."""

    def __init__(self, encoder: Encoder, added: Callable[[ChatReply], Additions]) -> None:
        self._encoder, self._added = encoder, added

    def begin(self) -> bytes:
        """What comes before the first piece."""
        return self._encoder.begin()

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply."""
        return self._encoder.delta(delta)

    def end(self, reply: ChatReply) -> bytes:
        """The last chunk with the further fields, and `[DONE]`."""
        events = self._encoder.end(reply)
        assert events.endswith(_LAST), "OpenAI's streams end so"
        return with_additions(events.removesuffix(_LAST) + b"}", self._added(reply)) + _LAST.removeprefix(b"}")


def with_additions(encoded: bytes, added: Additions) -> bytes:
    """An encoded object with the further fields."""
    return encoded[:-1] + b"," + msgspec.json.encode(added)[1:]


async def _counted(items: AsyncGenerator[AnyDelta | Progress | ChatReply, None], job: Job) -> tuple[ChatReply, int]:
    """The whole reply, and how many tokens of it were thoughts."""
    reasoning_tokens = 0

    def count(item: object) -> None:
        nonlocal reasoning_tokens
        if isinstance(item, Thinking):
            reasoning_tokens += item.tokens

    return await last(items, ChatReply, job, count), reasoning_tokens
