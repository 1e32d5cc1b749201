"""`POST /v1/chat/completions`: a conversation's next turn, whole or as it is written."""

from __future__ import annotations

import secrets
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.events import cause
from samovar_agent.http.errors import as_samovar_error
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.chat_reply import Chunks, completion
from samovar_agent.http.openai.chat_request import ChatRequest
from samovar_agent.http.sse import EventStream
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Message, Progress, Sampling, Text

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
        messages, sampling = body.to_messages(), body.to_sampling()
        if body.stream:
            return await self._stream(request, job, body, messages, sampling)
        return await self._whole(job, body.model, messages, sampling)

    async def _whole(self, job: Job, model: str, messages: list[Message], sampling: Sampling) -> web.Response:
        items = self._services.instances.generate(model, messages, sampling, client=job.client)
        async with job.interruptible(), aclosing(items):
            async for item in items:
                if isinstance(item, ChatReply):
                    body = completion(item, id=_new_id(), created=int(time.time()))
                    return web.Response(body=body, headers={"Content-Type": "application/json", **_request_id()})
        raise _ended_early()

    async def _stream(
        self, request: web.Request, job: Job, body: ChatRequest, messages: list[Message], sampling: Sampling
    ) -> web.StreamResponse:
        async with EventStream(request, _request_id()) as stream:
            try:
                async with job.interruptible():
                    await self._write(stream, body, messages, sampling, job.client)
            except ConnectionError:
                raise
            except Exception as error:
                failure = as_samovar_error(error)
                if not stream.started:
                    raise failure from error
                await stream.fail(failure)
            return await stream.end()

    async def _write(
        self, stream: EventStream, body: ChatRequest, messages: list[Message], sampling: Sampling, client: str
    ) -> None:
        chunks: Chunks | None = None
        items = self._services.instances.generate(body.model, messages, sampling, client=client)
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Progress):
                    await stream.comment(_sentence(item))
                    continue
                data = b""
                if chunks is None:
                    chunks = self._chunks(body)
                    data = chunks.role
                if isinstance(item, Text):
                    await stream.send(data + chunks.text(item.text))
                else:
                    await stream.send(data + chunks.end(item))
                    return
        raise _ended_early()

    def _chunks(self, body: ChatRequest) -> Chunks:
        model = self._key(body.model)
        return Chunks(id=_new_id(), created=int(time.time()), model=model, wants_usage=body.wants_usage)

    def _key(self, name: str) -> str:
        """The key of the model that answers. The reply has it too, but chunks need it before."""
        for instance in self._services.instances.ls():
            if instance.identifier == name:
                return instance.model
        try:
            return self._services.library.key_of(name)
        except SamovarError:
            return name


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"


def _request_id() -> dict[str, str]:
    """The id that this request's events and log lines carry; SDKs show it with an error."""
    return {"x-request-id": cause.get() or ""}


def _sentence(progress: Progress) -> str:
    if not progress.total:
        return progress.stage
    return f"{progress.stage} {min(100 * progress.done / progress.total, 100):.0f} %"


def _ended_early() -> SamovarError:
    return SamovarError(FailureCode.INTERNAL, "The engine ended without a reply.", hint="See `samovar logs`.")
