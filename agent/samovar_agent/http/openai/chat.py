"""`POST /v1/chat/completions`: a conversation's next turn, whole or as it is written."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response, last, stream
from samovar_agent.http.json_body import off_loop_if_long, read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.chat_chunks import Chunks
from samovar_agent.http.openai.chat_reply import completion
from samovar_agent.http.openai.chat_request import ChatRequest
from samovar_agent.http.openai.keeping import keep_of
from samovar_agent.http.openai.model_names import key_of, may_think, named
from samovar_agent.http.openai.without_effect import stream_with
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Thinking

if TYPE_CHECKING:
    from samovar_agent.services import Services

_decoder = msgspec.json.Decoder(ChatRequest)


class Chat:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away cancels this, and closing the generator stops the engine."""
        body = await read_json(request, _decoder)
        messages, sampling, options = await off_loop_if_long(
            request, lambda: (body.to_messages(), body.to_sampling(), body.to_options())
        )
        model = named(self._services, body.model, "chat")
        items = self._services.instances.generate(
            model, messages, sampling, options, client=job.client, keep=keep_of(body.ttl)
        )
        headers = body.to_headers(lambda: may_think(self._services, model))
        if body.stream:
            kind = stream_with(headers)
            return await stream(request, job, items, lambda: self._chunks(body, model, options.n), kind=kind)
        reasoning_tokens = 0

        def count(item: object) -> None:
            nonlocal reasoning_tokens
            if isinstance(item, Thinking):
                reasoning_tokens += item.tokens

        reply = await last(items, ChatReply, job, count)
        return json_response(
            completion(
                reply,
                id=_new_id(),
                created=int(time.time()),
                reasoning_tokens=reasoning_tokens,
                stats=bool(body.stats),
            ),
            headers,
        )

    def _chunks(self, body: ChatRequest, model: str, n: int) -> Chunks:
        return Chunks(
            id=_new_id(),
            created=int(time.time()),
            model=key_of(self._services, model),
            n=n,
            wants_usage=body.wants_usage,
            wants_stats=bool(body.stats),
        )


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"
