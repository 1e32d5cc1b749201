"""`POST /v1/messages` and `/v1/messages/count_tokens`: a conversation's next turn, and how long its prompt is."""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec
from aiohttp import web

from samovar_agent.engine.interface import Started
from samovar_agent.http.answering import json_response, last, stream
from samovar_agent.http.anthropic.events import Events, MessageEvents
from samovar_agent.http.anthropic.reply import message
from samovar_agent.http.anthropic.request import MessagesRequest, PromptRequest
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import off_loop_if_long, read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.model_names import key_of, may_think
from samovar_agent.http.openai.without_effect import naming
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Thinking

if TYPE_CHECKING:
    from samovar_agent.services import Services


T = TypeVar("T")

_KIND = re.compile(r"'(?P<at>[^']+\.type)' is not valid: Invalid value '(?P<kind>.+)'\.", re.DOTALL)
"""What is said of an object whose type is none of those that there are."""

_decoder = msgspec.json.Decoder(MessagesRequest)
_count_decoder = msgspec.json.Decoder(PromptRequest)


class PromptLength(msgspec.Struct, frozen=True):
    """- input_tokens: of the whole prompt."""

    input_tokens: int


class Messages:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away cancels this, and closing the generator stops the engine."""
        body = await _read(request, _decoder)
        try:
            return await self._answer(request, job, body)
        except SamovarError as error:
            raise self._listing(error, body.model) from error

    async def count_tokens(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Tokens of the prompt that `create` would give the model."""
        body = await _read(request, _count_decoder)
        messages, options = await off_loop_if_long(request, lambda: (body.to_messages(), body.to_options()))
        try:
            async with job.interruptible():
                prompt = await self._services.instances.render(body.model, messages, options)
        except SamovarError as error:
            raise self._listing(error, body.model) from error
        return json_response(msgspec.json.encode(PromptLength(len(prompt.tokens))))

    async def _answer(self, request: web.Request, job: Job, body: MessagesRequest) -> web.StreamResponse:
        messages, sampling, options = await off_loop_if_long(
            request, lambda: (body.to_messages(), body.to_sampling(), body.to_options())
        )
        starts: list[Started] = []
        items = self._services.instances.generate(
            body.model, messages, sampling, options, client=job.client, on_start=starts.append
        )
        headers = naming(body.without_effect(thinks=may_think(self._services, body.model)))
        if body.stream:
            kind = partial(_events_with, headers)
            return await stream(request, job, items, lambda: self._events(body, starts), kind=kind)
        thinking_tokens = 0

        def count(item: object) -> None:
            nonlocal thinking_tokens
            if isinstance(item, Thinking):
                thinking_tokens += item.tokens

        reply = await last(items, ChatReply, job, count)
        return json_response(
            message(
                reply,
                id=_new_id(),
                max_tokens=body.max_tokens,
                thinking_tokens=thinking_tokens,
                shows_thinking=body.shows_thinking,
                diagnosed=body.diagnosed,
            ),
            headers,
        )

    def _events(self, body: MessagesRequest, starts: list[Started]) -> MessageEvents:
        return MessageEvents(
            starts[-1] if starts else Started(),
            id=_new_id(),
            model=key_of(self._services, body.model),
            max_tokens=body.max_tokens,
            shows_thinking=body.shows_thinking,
            diagnosed=body.diagnosed,
        )

    def _listing(self, error: SamovarError, name: str) -> SamovarError:
        """The failure; that of a name which means no model says how to call one so.

        Programs made for Anthropic's models send the names of those, and not all of them let people choose.
        """
        if error.code != FailureCode.MODEL_UNKNOWN or not self._services.library.ls():
            return error
        hint = f"{error.failure.hint} To call one of them so, add '{name[:100]}=MODEL' to the setting models.aliases."
        return SamovarError(error.code, error.failure.message, hint=hint.strip(), details={"param": "model"})


async def _read(request: web.Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The body; raises as `read_json`, which knows no better than that a block's type is not valid."""
    try:
        return await read_json(request, decoder)
    except SamovarError as error:
        if (found := _KIND.fullmatch(error.failure.message)) is None:
            raise
        raise bad_request(
            f"'{found['kind'][:100]}' is not supported as {found['at']}.",
            param=found["at"],
            hint="Leave it out: Anthropic's own tools, files and edits of conversations are not here.",
        ) from None


def _events_with(headers: dict[str, str], request: web.Request, others: dict[str, str]) -> Events:
    return Events(request, others | headers)


def _new_id() -> str:
    return f"msg_{secrets.token_hex(12)}"
