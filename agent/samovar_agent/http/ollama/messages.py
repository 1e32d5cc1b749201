"""Messages and tools of a chat request, as Ollama's clients send them.

A call need not have an id there, and what a tool answers names the tool at most: both get ids here, in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import check_depth
from samovar_protocol.values import Message, Name, Tool, ToolCall


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- index: as in replies, from where clients take it. - description: without effect; the tool has one."""

    name: Name
    arguments: dict[str, Any] | None = None
    index: int | None = None
    description: str | None = None


class MessageToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call in an assistant's message. - index: where Open WebUI has it; calls have their order."""

    function: CalledFunction
    id: str | None = None
    type: Literal["function"] | None = None
    index: int | None = None


class ChatMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message, also one that was a reply before."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: list[MessageToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class FunctionEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function. - strict: accepted either way; arguments always follow the schema here."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool."""

    function: FunctionEntry
    type: Literal["function"] = "function"


Messages = Annotated[list[ChatMessage], Meta(max_length=20_000)]
Tools = Annotated[list[ToolEntry], Meta(max_length=1024)]


class _Unanswered:
    """Calls that wait for an answer, found without going through all of them: there may be very many."""

    def __init__(self) -> None:
        self._calls: list[ToolCall] = []
        self._answered: set[int] = set()
        self._places: dict[tuple[str | None, str | None], deque[int]] = {}

    def add(self, call: ToolCall) -> None:
        """One more, behind the others."""
        for key in ((None, None), (call.id, None), (None, call.name), (call.id, call.name)):
            self._places.setdefault(key, deque()).append(len(self._calls))
        self._calls.append(call)

    def take(self, id_: str | None, name: str | None) -> ToolCall | None:
        """The first that an answer can belong to, which then waits no more. - id_, name: as far as the answer says."""
        places = self._places.get((id_ or None, name or None), deque())
        while places:
            if (place := places.popleft()) not in self._answered:
                self._answered.add(place)
                return self._calls[place]
        return None


def conversation(messages: Sequence[ChatMessage]) -> list[Message]:
    """The messages as ours; raises `bad_request`."""
    made = 0
    unanswered = _Unanswered()
    result: list[Message] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        _check(message, path)
        calls = []
        for call in message.tool_calls or ():
            check_depth(call.function.arguments)
            made += 1
            arguments = msgspec.json.encode(call.function.arguments or {}).decode()
            calls.append(ToolCall(id=call.id or f"call_{made}", name=call.function.name, arguments=arguments))
        answered = unanswered.take(message.tool_call_id, message.tool_name) if message.role == "tool" else None
        for made_call in calls:
            unanswered.add(made_call)
        result.append(
            Message(
                role=message.role,
                content=message.content or "",
                tool_calls=calls,
                tool_call_id=message.tool_call_id or (answered.id if answered else None),
                name=message.tool_name or (answered.name if answered else None),
                reasoning=message.thinking or None,
            )
        )
    return result


def offered(entries: Sequence[ToolEntry]) -> list[Tool]:
    """The tools as ours; raises `bad_request`."""
    functions = [entry.function for entry in entries]
    check_depth(*(function.parameters for function in functions))
    if len({function.name for function in functions}) < len(functions):
        raise bad_request("Two tools have the same name.", param="tools", hint="Give each a name of its own.")
    return [
        Tool(name=function.name, description=function.description or "", parameters=function.parameters or {})
        for function in functions
    ]


def refuse_images(images: Sequence[object] | None, param: str) -> None:
    """Raise `bad_request` where there are any."""
    if images:
        raise bad_request(
            "Images are not supported: no model here has vision.", param=param, hint="Send text without 'images'."
        )


def _check(message: ChatMessage, path: str) -> None:
    refuse_images(message.images, f"{path}.images")
    if message.tool_calls and message.role != "assistant":
        raise bad_request(f"'{path}.tool_calls': only an assistant makes calls.", param=f"{path}.tool_calls")
    for name in ("tool_name", "tool_call_id"):
        if getattr(message, name) and message.role != "tool":
            raise bad_request(f"'{path}.{name}': only a tool's message answers a call.", param=f"{path}.{name}")
