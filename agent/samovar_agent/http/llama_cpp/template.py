"""`POST /apply-template`: the prompt that a conversation would become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response
from samovar_agent.http.json_body import off_loop_if_long, read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.chat_request import ChatRequest
from samovar_agent.http.openai.model_names import named

if TYPE_CHECKING:
    from samovar_agent.services import Services


class Prompt(msgspec.Struct, frozen=True):
    """The prompt, with the model's own markers."""

    prompt: str


_decoder = msgspec.json.Decoder(ChatRequest)


class Template:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def apply(self, request: web.Request, job: Job) -> web.Response:
        """The prompt; what says how tokens are chosen is checked, and changes nothing."""
        body = await read_json(request, _decoder)
        messages, options, _ = await off_loop_if_long(
            request, lambda: (body.to_messages(), body.to_options(), body.to_sampling())
        )
        model = named(self._services, body.model, "chat")
        async with job.interruptible():
            rendered = await self._services.instances.render(model, messages, options)
        return json_response(msgspec.json.encode(Prompt(rendered.text)))
