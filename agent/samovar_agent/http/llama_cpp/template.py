"""`POST /apply-template`: the prompt that a conversation would become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response
from samovar_agent.http.json_body import off_loop_if_long, read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.chat_request import ChatBody
from samovar_protocol.values import Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class TemplateRequest(ChatBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a chat request. - model: None for the one in memory, or the only one."""

    model: Name | None = None


class Prompt(msgspec.Struct, frozen=True):
    """The prompt, with the model's own markers."""

    prompt: str


_decoder = msgspec.json.Decoder(TemplateRequest)


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
        async with job.interruptible():
            rendered = await self._services.instances.render(body.model, messages, options)
        return json_response(msgspec.json.encode(Prompt(rendered.text)))
