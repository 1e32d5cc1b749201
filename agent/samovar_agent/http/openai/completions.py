"""`POST /v1/completions`: texts that go on, whole or as they are written, one or many at a time."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.engine.interface import Infill
from samovar_agent.http.answering import json_response, last, stream
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.completion_chunks import TextChunks
from samovar_agent.http.openai.completion_reply import text_completion
from samovar_agent.http.openai.completion_request import CompletionRequest
from samovar_agent.http.openai.keeping import keep_of
from samovar_agent.http.openai.model_names import key_of
from samovar_agent.http.openai.several import Generate, Item, silent, together
from samovar_protocol.replies import ChatReply

if TYPE_CHECKING:
    from samovar_agent.services import Services

_decoder = msgspec.json.Decoder(CompletionRequest)


class Completions:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away cancels this, and closing the generator stops the engine."""
        body = await read_json(request, _decoder)
        body.check()
        prompts, options = body.to_prompts(), body.to_options()
        generations = self._generations(body, prompts, job.client)
        echoes = [""] * (len(prompts) * options.n)
        items = self._echoing(body, prompts, echoes, options.n, together(generations, options.n))
        if body.silent:
            items = silent(items)
        if body.stream:
            return await stream(request, job, items, lambda: self._chunks(body, echoes))
        reply = await last(items, ChatReply, job)
        return json_response(
            text_completion(reply, id=_new_id(), created=int(time.time()), echoes=echoes, stats=bool(body.stats))
        )

    def _generations(self, body: CompletionRequest, prompts: Sequence[str | list[int]], client: str) -> list[Generate]:
        complete = partial(
            self._services.instances.complete,
            sampling=body.to_sampling(),
            options=body.to_options(),
            suffix=body.suffix or None,
            infill=Infill(joined=body.steps.joined),
            client=client,
            keep=keep_of(body.ttl),
        )
        return [partial(complete, body.model, prompt) for prompt in prompts]

    async def _echoing(
        self,
        body: CompletionRequest,
        prompts: Sequence[str | list[int]],
        echoes: list[str],
        n: int,
        items: AsyncGenerator[Item, None],
    ) -> AsyncGenerator[Item, None]:
        """The same items; where prompts are to be told again, their texts are in `echoes` before the first of them."""
        async with aclosing(items):
            if body.echo:
                for index, prompt in enumerate(prompts):
                    text = prompt if isinstance(prompt, str) else await self._text(body.model, prompt)
                    echoes[index * n : index * n + n] = [text] * n
            async for item in items:
                yield item

    async def _text(self, model: str, tokens: list[int]) -> str:
        return (await self._services.instances.detokenize(model, tokens)).text

    def _chunks(self, body: CompletionRequest, echoes: Sequence[str]) -> TextChunks:
        return TextChunks(
            id=_new_id(),
            created=int(time.time()),
            model=key_of(self._services, body.model),
            echoes=echoes,
            wants_usage=body.wants_usage,
            wants_stats=bool(body.stats),
        )


def _new_id() -> str:
    return f"cmpl-{secrets.token_hex(12)}"
