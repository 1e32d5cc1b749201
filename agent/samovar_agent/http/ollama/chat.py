"""`POST /api/chat`: a conversation's next turn, streamed unless the client says otherwise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.engine.instances import Keep
from samovar_agent.http.json_body import off_loop_if_long, read_json, refuse
from samovar_agent.http.ollama.generating import keep_only, reply
from samovar_agent.http.ollama.keep_alive import KeepAlive, ttl_seconds
from samovar_agent.http.ollama.messages import Messages, Tools, conversation, offered
from samovar_agent.http.ollama.model_names import find_model
from samovar_agent.http.ollama.options import NO_OPTIONS, Options
from samovar_agent.http.ollama.reply_lines import ChatShape, ReplyLines
from samovar_agent.http.ollama.reply_options import Format, Think, chat_options, cut_in_vain, wants_thinking
from samovar_agent.http.open_work import Job
from samovar_protocol.values import Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out. - messages: none only loads the model, or unloads it."""

    model: Name
    messages: Messages | None = None
    tools: Tools | None = None
    format: Format | None = None
    options: Options | None = None
    stream: bool | None = None
    think: Think | None = None
    keep_alive: KeepAlive = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    # True has no effect, which the reply says: what is too long is refused, and never cut or shifted out.
    truncate: bool | None = None
    shift: bool | None = None
    # Refused where it is true; Ollama's own program always sends it.
    debug_render_only: bool | None = msgspec.field(name="_debug_render_only", default=None)


_decoder = msgspec.json.Decoder(ChatRequest)
_SHAPE = ChatShape()


class Chat:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away cancels this, and closing the generator stops the engine."""
        began = time.perf_counter_ns()
        body = await read_json(request, _decoder)
        refuse(body, {"debug_render_only": (False,)}, "_")
        options = body.options or NO_OPTIONS
        keep = Keep(ttl_seconds(body.keep_alive), options.num_ctx)
        messages = await off_loop_if_long(request, lambda: conversation(body.messages or ()))
        sampling = options.to_sampling()
        wanted = chat_options(body.format, body.think, body.logprobs, body.top_logprobs, offered(body.tools or ()))
        model = find_model(self._services, body.model)
        keep = model.possible(keep)
        model.check("chat", "chat")
        lines = ReplyLines(_SHAPE, body.model, began)
        streams, headers = body.stream is not False, options.to_headers(further=cut_in_vain(body.truncate, body.shift))
        if not messages:
            return await keep_only(
                self._services, request, job, model, lines, keep=keep, streams=streams, headers=headers
            )
        if wants_thinking(body.think):
            model.check("thinking", "thinking")
        items = self._services.instances.generate(model.name, messages, sampling, wanted, client=job.client, keep=keep)
        return await reply(request, job, items, lines, streams=streams, headers=headers)
