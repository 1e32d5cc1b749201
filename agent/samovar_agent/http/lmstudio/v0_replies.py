"""`POST /api/v0/chat/completions`, `completions` and `embeddings`: OpenAI's replies with how they came about."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import Encoder, json_response, last, stream
from samovar_agent.http.json_body import read_json
from samovar_agent.http.lmstudio.serving import Serving
from samovar_agent.http.lmstudio.v0_accounting import Additions, additions, embedding_stats, reply_stats
from samovar_agent.http.lmstudio.v0_text import TextChunks, TextHead, TextRequest, text_completion
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.chat_chunks import Chunks
from samovar_agent.http.openai.chat_reply import completion
from samovar_agent.http.openai.chat_request import ChatRequest
from samovar_agent.http.openai.embeddings import EmbeddingsRequest, embedding_list
from samovar_protocol.replies import ChatReply, EmbedReply
from samovar_protocol.values import AnyDelta, Progress, Sampling, Thinking

if TYPE_CHECKING:
    from samovar_agent.services import Services

_LAST = b"}\n\ndata: [DONE]\n\n"
_chat_decoder = msgspec.json.Decoder(ChatRequest)
_text_decoder = msgspec.json.Decoder(TextRequest)
_embeddings_decoder = msgspec.json.Decoder(EmbeddingsRequest)


class Replies:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def chat(self, request: web.Request, job: Job) -> web.StreamResponse:
        """A conversation's next turn, whole or as it is written."""
        body = await read_json(request, _chat_decoder)
        messages, sampling, options = body.to_messages(), body.to_sampling(), body.to_options()
        serving = Serving(self._services, body.model, "chat")
        instances = self._services.instances
        items = serving.items(
            lambda identifier: instances.generate(identifier, messages, sampling, options, client=job.client)
        )
        id_, created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        if body.stream:

            def chunks() -> Encoder:
                model = serving.instance.model
                return Chunks(id=id_, created=created, model=model, n=options.n, wants_usage=body.wants_usage)

            return await self._stream(request, job, items, chunks, serving, sampling)
        reply, reasoning_tokens = await _counted(items, job)
        whole = completion(reply, id=id_, created=created, reasoning_tokens=reasoning_tokens)
        return json_response(with_additions(whole, self._additions(serving, sampling, reply)))

    async def completions(self, request: web.Request, job: Job) -> web.StreamResponse:
        """A text that goes on, whole or as it is written."""
        body = await read_json(request, _text_decoder)
        sampling = body.to_sampling()
        serving = Serving(self._services, body.model, "chat")
        instances = self._services.instances
        items = serving.items(
            lambda identifier: instances.complete(
                identifier, body.prompt, sampling, suffix=body.suffix, client=job.client
            )
        )
        id_, created = f"cmpl-{secrets.token_hex(12)}", int(time.time())

        def head() -> TextHead:
            return TextHead(id=id_, created=created, model=serving.instance.model)

        if body.stream:
            chunks = partial(TextChunks, wants_usage=body.wants_usage)
            return await self._stream(request, job, items, lambda: chunks(head()), serving, sampling)
        reply = await last(items, ChatReply, job)
        return json_response(with_additions(text_completion(head(), reply), self._additions(serving, sampling, reply)))

    async def embeddings(self, request: web.Request, job: Job) -> web.Response:
        """Vectors of texts."""
        body = await read_json(request, _embeddings_decoder)
        inputs = body.to_inputs()
        serving = Serving(self._services, body.model, "embedding")
        instances = self._services.instances
        items = serving.items(
            lambda identifier: instances.embed(identifier, inputs, dimensions=body.dimensions, client=job.client)
        )
        reply = await last(items, EmbedReply, job)
        added = additions(self._services, serving.instance, embedding_stats(reply))
        return json_response(with_additions(embedding_list(reply, body.encoding_format), added))

    async def _stream(
        self,
        request: web.Request,
        job: Job,
        items: AsyncGenerator[AnyDelta | Progress | ChatReply, None],
        encoder: Callable[[], Encoder],
        serving: Serving,
        sampling: Sampling,
    ) -> web.StreamResponse:
        def added(reply: ChatReply) -> Additions:
            return self._additions(serving, sampling, reply)

        return await stream(request, job, items, lambda: StreamWithAdditions(encoder(), added))

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
