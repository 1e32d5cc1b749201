"""`POST /api/v1/chat`: the next turn of a conversation that is kept here, whole or as named events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import UNSET

from samovar_agent.http.answering import ended_early, json_response, streamed
from samovar_agent.http.json_body import read_json
from samovar_agent.http.lmstudio.serving import Serving, instance_name
from samovar_agent.http.lmstudio.v1_chat_history import Chat as KeptChat
from samovar_agent.http.lmstudio.v1_chat_history import chat_of
from samovar_agent.http.lmstudio.v1_chat_reply import ChatResult, Output, chat_stats, cut_stats, event, failed
from samovar_agent.http.lmstudio.v1_chat_request import ChatRequest
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.model_names import key_of
from samovar_agent.http.sse import EventStream
from samovar_protocol import SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import ChatOptions, Progress, Sampling

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
        texts, sampling = body.texts(), body.to_sampling()
        options = self._options(body)
        kept = await chat_of(body, texts, self._services.store.responses)
        turn = Turn(body, kept, sampling, options, self._services, job.client)
        if body.stream:
            return await streamed(request, job, turn.send, turn.fail)
        async with job.interruptible(), aclosing(turn.run()) as pieces:
            async for _ in pieces:
                pass
        return json_response(msgspec.json.encode(turn.result))

    def _options(self, body: ChatRequest) -> ChatOptions:
        if body.reasoning is None:  # a model may be in memory whose file is gone
            return ChatOptions()
        file = self._services.library.find(key_of(self._services, body.model))
        return body.to_options(file.info, file.header)


class Turn:
    """One answer. It is on the disk before the event that ends it; who goes away before that has nothing.

    - result: of a reply that is over.
    """

    def __init__(
        self,
        body: ChatRequest,
        kept: KeptChat,
        sampling: Sampling,
        options: ChatOptions,
        services: Services,
        client: str,
    ) -> None:
        self._kept, self._sampling, self._options = kept, sampling, options
        self._services, self._client = services, client
        self._stores = body.store is not False
        self._name = instance_name(services, body.model)
        self._serving = Serving(services, body.model, "chat", keep=body.to_keep())
        self._output = Output()
        self._began = self._loading = self._loaded = self._reading = self._writing = False
        self.result: ChatResult | None = None

    async def run(self) -> AsyncGenerator[bytes, None]:
        """The events, as they come. The first one is not made before there is something to tell."""
        instances = self._services.instances
        items = self._serving.items(
            lambda identifier: instances.generate(
                identifier, self._kept.messages, self._sampling, self._options, client=self._client
            ),
            self._on_ready,
        )
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Progress):
                    yield self._progress(item)
                elif not isinstance(item, ChatReply):
                    yield self._begin_writing() + self._output.delta(item)
                else:
                    yield self._begin_writing() + self._output.end()
                    yield await self._finish(item)
                    return
        raise ended_early()

    async def send(self, events: EventStream) -> None:
        """Send everything as it comes."""
        async with aclosing(self.run()) as pieces:
            async for piece in pieces:
                await events.send(piece)

    async def fail(self, events: EventStream, error: SamovarError) -> None:
        """Tell a failure after something was sent, and then what there is of the reply."""
        data = self._begin() + self._output.cut() + failed(error)
        result = ChatResult(
            model_instance_id=self._name,
            output=self._output.items,
            stats=cut_stats(self._output, self._serving.load_seconds),
        )
        await events.send(data + event("chat.end", result=result))

    def _on_ready(self) -> None:
        self._loaded = True
        self._name = self._serving.instance.identifier

    def _begin(self) -> bytes:
        if self._began:
            return b""
        self._began = True
        return event("chat.start", model_instance_id=self._name)

    def _progress(self, progress: Progress) -> bytes:
        """What is waited for: loading, or, once the model is there, its turn and its prompt."""
        if self._loaded:
            data = self._begin_reading()
            return data + event("prompt_processing.progress", progress=progress.done) if _reads(progress) else data
        data = self._begin()
        if not self._loading:
            self._loading = True
            data += event("model_load.start", model_instance_id=self._name)
        done = min(progress.done / progress.total, 1.0) if progress.total else 0.0
        return data + event("model_load.progress", model_instance_id=self._name, progress=done)

    def _begin_reading(self) -> bytes:
        """The model is in memory. Of a prompt that is read at once it tells nothing: 0, and then all."""
        if self._reading:
            return b""
        self._reading = True
        data = self._begin()
        if (seconds := self._serving.load_seconds) is not None:
            if not self._loading:
                data += event("model_load.start", model_instance_id=self._name)
            data += event("model_load.end", model_instance_id=self._name, load_time_seconds=seconds)
        return data + event("prompt_processing.start") + event("prompt_processing.progress", progress=0.0)

    def _begin_writing(self) -> bytes:
        if self._writing:
            return b""
        data = self._begin_reading()
        self._writing = True
        return data + event("prompt_processing.progress", progress=1.0) + event("prompt_processing.end")

    async def _finish(self, reply: ChatReply) -> bytes:
        """The last event, once the reply is kept."""
        if self._stores:
            row = self._kept.row(reply, self._output, self._sampling)
            await self._services.store.responses.put(row, self._kept.history.chain)
        self.result = ChatResult(
            model_instance_id=self._name,
            output=self._output.items,
            stats=chat_stats(reply.stats, self._output, self._serving.load_seconds),
            response_id=self._kept.id if self._stores else UNSET,
        )
        return event("chat.end", result=self.result)


def _reads(progress: Progress) -> bool:
    """Whether it is about the prompt, and not about the queue before it."""
    return progress.stage == "reading" and progress.unit == "ratio"
