"""`POST /api/generate`: a reply to one prompt, as a conversation, as it stands (`raw`), or into a gap (`suffix`)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from samovar_agent.engine.instances import Keep
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import read_json, refuse
from samovar_agent.http.ollama.generating import keep_only, reply
from samovar_agent.http.ollama.keep_alive import KeepAlive, ttl_seconds
from samovar_agent.http.ollama.messages import refuse_images
from samovar_agent.http.ollama.model_names import Meant, find_model
from samovar_agent.http.ollama.options import NO_OPTIONS, Options
from samovar_agent.http.ollama.reply_lines import GenerateShape, ReplyLines
from samovar_agent.http.ollama.reply_options import Format, Think, chat_options, cut_in_vain, wants_thinking
from samovar_agent.http.open_work import Job
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, ChatOptions, Message, Name, Progress, Sampling

if TYPE_CHECKING:
    from samovar_agent.services import Services

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "template": ("",),
    "context": ([],),
    "debug_render_only": (False,),
    "width": (0,),
    "height": (0,),
    "steps": (0,),
}
_HINTS = {
    "template": "The model's own template is used; send a prompt that is complete with 'raw': true.",
    "context": "Send the conversation as messages to /api/chat; its beginning is not computed again.",
    "width": "No model here makes images.",
    "height": "No model here makes images.",
    "steps": "No model here makes images.",
}


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out, and so does an empty text, which Ollama's client sends.

    - prompt: without one, and without a suffix, the model is only loaded, or unloaded.
    """

    model: Name
    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    raw: bool | None = None
    format: Format | None = None
    options: Options | None = None
    stream: bool | None = None
    think: Think | None = None
    keep_alive: KeepAlive = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    images: list[Any] | None = None
    # True has no effect, which the reply says: what is too long is refused, and never cut or shifted out.
    truncate: bool | None = None
    shift: bool | None = None
    # Refused unless they ask for nothing.
    template: str | None = None
    context: list[int] | None = None
    debug_render_only: bool | None = msgspec.field(name="_debug_render_only", default=None)
    width: int | None = None
    height: int | None = None
    steps: int | None = None

    def check(self) -> None:
        """Raise `bad_request` for what is refused, and for what does not go together."""
        refuse(self, _ASKS_FOR_NOTHING, "", hints=_HINTS)
        refuse_images(self.images, "images")
        if self.system and (self.raw or self.suffix):
            other = "raw" if self.raw else "suffix"
            raise bad_request(f"'system' does not go with '{other}', which has no conversation.", param="system")
        if wants_thinking(self.think) and (self.raw or self.suffix):
            other = "raw" if self.raw else "suffix"
            raise bad_request(f"'think' does not go with '{other}', which has no template.", param="think")

    def to_messages(self) -> list[Message]:
        """The prompt as a conversation."""
        system = [Message(role="system", content=self.system)] if self.system else []
        return [*system, Message(role="user", content=self.prompt or "")]


_decoder = msgspec.json.Decoder(GenerateRequest)
_SHAPE = GenerateShape()


class Generate:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away cancels this, and closing the generator stops the engine."""
        began = time.perf_counter_ns()
        body = await read_json(request, _decoder)
        body.check()
        options = body.options or NO_OPTIONS
        keep, sampling = Keep(ttl_seconds(body.keep_alive), options.num_ctx), options.to_sampling()
        wanted = chat_options(body.format, body.think, body.logprobs, body.top_logprobs)
        model = find_model(self._services, body.model)
        keep = model.possible(keep)
        model.check("chat", "generate")
        lines = ReplyLines(_SHAPE, body.model, began)
        streams, headers = body.stream is not False, options.to_headers(further=cut_in_vain(body.truncate, body.shift))
        if not body.prompt and not body.suffix:
            return await keep_only(
                self._services, request, job, model, lines, keep=keep, streams=streams, headers=headers
            )
        items = self._items(body, model, sampling, wanted, keep, job.client)
        return await reply(request, job, items, lines, streams=streams, headers=headers)

    def _items(
        self, body: GenerateRequest, model: Meant, sampling: Sampling, wanted: ChatOptions, keep: Keep, client: str
    ) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
        instances = self._services.instances
        if body.suffix:
            model.check("fill-in-the-middle", "insert")
        elif wants_thinking(body.think):
            model.check("thinking", "thinking")
        if body.raw or body.suffix:
            return instances.complete(
                model.name, body.prompt or "", sampling, wanted, suffix=body.suffix or None, client=client, keep=keep
            )
        return instances.generate(model.name, body.to_messages(), sampling, wanted, client=client, keep=keep)
