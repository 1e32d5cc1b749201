"""`POST /v1/responses/input_tokens`: how long the prompt of a response would be, without writing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import off_loop, off_loop_if_long, read_json, refuse
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.model_names import named
from samovar_agent.http.openai.responses_conversation import conversation
from samovar_agent.http.openai.responses_history import history
from samovar_agent.http.openai.responses_items import ItemId
from samovar_agent.http.openai.responses_request import Raw, Reasoning, ResponseRequest, TextConfig
from samovar_protocol.values import Name

if TYPE_CHECKING:
    from samovar_agent.services import Services

_REFUSED: dict[str, tuple[Any, ...]] = {"conversation": (), "personality": ()}
_HINTS = {"conversation": "Use previous_response_id instead.", "personality": "Send it as 'instructions'."}


class InputTokensRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body: the part of that of `/v1/responses` that makes the prompt."""

    model: Name | None = None
    input: str | list[Raw] | None = None
    instructions: str | None = None
    previous_response_id: ItemId | None = None
    tools: list[Raw] | None = None
    tool_choice: str | Raw | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    # Refused unless they ask for nothing.
    conversation: Any = None
    personality: Any = None
    truncation: Any = None

    def to_response(self) -> ResponseRequest:
        """The request whose prompt is meant, not checked yet; raises `bad_request`."""
        refuse(self, _REFUSED, "", hints=_HINTS)
        return ResponseRequest(
            model=self.model,
            input=self.input,
            instructions=self.instructions,
            previous_response_id=self.previous_response_id,
            tools=self.tools,
            tool_choice=self.tool_choice,
            parallel_tool_calls=self.parallel_tool_calls,
            text=self.text,
            reasoning=self.reasoning,
            truncation=self.truncation,
        )


class InputTokens(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


_decoder = msgspec.json.Decoder(InputTokensRequest)


class CountInput:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """Count; loads the model where it is not in memory."""
        body = (await read_json(request, _decoder)).to_response()
        tools = await off_loop_if_long(request, body.checked_tools)
        if tools.search is not None:
            raise bad_request(
                "What a file_search finds is not known before it is made, and so neither are its tokens.",
                param="tools",
                hint="Leave it out.",
            )
        options = body.to_options(tools)
        before = await history(body, self._services.store.responses)
        messages = await off_loop(
            lambda: conversation(before.earlier, before.items, body.instructions), long=before.long
        )
        model = named(self._services, body.model, "chat")
        async with job.interruptible():
            rendered = await self._services.instances.render(model, messages, options)
        return json_response(msgspec.json.encode(InputTokens(input_tokens=len(rendered.tokens))))
