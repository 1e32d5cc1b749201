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
from samovar_agent.http.json_body import off_loop_if_long, read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.completion_chunks import TextChunks
from samovar_agent.http.openai.completion_reply import text_completion
from samovar_agent.http.openai.completion_request import CompletionRequest
from samovar_agent.http.openai.keeping import keep_of
from samovar_agent.http.openai.model_names import key_of, named
from samovar_agent.http.openai.several import Generate, Item, silent, together
from samovar_agent.http.openai.without_effect import stream_with
from samovar_protocol.replies import ChatReply

if TYPE_CHECKING:
    from samovar_agent.engine.instances import Instances
    from samovar_agent.services import Services

_decoder = msgspec.json.Decoder(CompletionRequest)


class Completions:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away cancels this, and closing the generator stops the engine."""
        body = await read_json(request, _decoder)
        texts = await off_loop_if_long(request, lambda: Texts(body, self._services.instances, job.client))
        model = named(self._services, body.model, "chat")
        items = texts.items(model)
        if body.stream:
            kind = stream_with(body.to_headers())
            return await stream(request, job, items, lambda: self._chunks(body, model, texts.echoes), kind=kind)
        reply = await last(items, ChatReply, job)
        return json_response(
            text_completion(
                reply, id=new_text_id(), created=int(time.time()), echoes=texts.echoes, stats=bool(body.stats)
            ),
            body.to_headers(),
        )

    def _chunks(self, body: CompletionRequest, model: str, echoes: Sequence[str]) -> TextChunks:
        return TextChunks(
            id=new_text_id(),
            created=int(time.time()),
            model=key_of(self._services, model),
            echoes=echoes,
            wants_usage=body.wants_usage,
            wants_stats=bool(body.stats),
        )


class Texts:
    """What one request asks for; raises `bad_request` where that cannot be had.

    - client: who asks. - echoes: what is told before each choice's text, from its first piece on.
    """

    def __init__(self, body: CompletionRequest, instances: Instances, client: str) -> None:
        body.check()
        self._body, self._instances, self._client = body, instances, client
        self._prompts, self._sampling, self._options = body.to_prompts(), body.to_sampling(), body.to_options()
        self.echoes = [""] * (len(self._prompts) * self._options.n)

    def items(self, model: str) -> AsyncGenerator[Item, None]:
        """All choices of all prompts, and one reply for them last. - model: that writes them."""
        items = self._echoing(model, together(self._generations(model), self._options.n))
        return silent(items) if self._body.silent else items

    def _generations(self, model: str) -> list[Generate]:
        complete = partial(
            self._instances.complete,
            sampling=self._sampling,
            options=self._options,
            suffix=self._body.suffix or None,
            infill=Infill(joined=self._body.steps.joined),
            prompt_logprobs=self._body.scores_prompt,
            client=self._client,
            keep=keep_of(self._body.ttl),
        )
        return [partial(complete, model, prompt) for prompt in self._prompts]

    async def _echoing(self, model: str, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
        """The same items; where prompts are to be told again, their texts are there before the first of them."""
        async with aclosing(items):
            if self._body.echo:
                n = self._options.n
                for index, prompt in enumerate(self._prompts):
                    text = prompt if isinstance(prompt, str) else await self._text(model, prompt)
                    self.echoes[index * n : index * n + n] = [text] * n
            async for item in items:
                yield item

    async def _text(self, model: str, tokens: list[int]) -> str:
        return (await self._instances.detokenize(model, tokens)).text


def new_text_id() -> str:
    """The id of a reply."""
    return f"cmpl-{secrets.token_hex(12)}"
