"""The messages of a chat request: what somebody said, what the model called, what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import refuse
from samovar_protocol.values import Message, Name, ToolCall

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {"audio": (), "function_call": ()}


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of a message's content. Only text, and that an assistant refused, is understood; other types are refused
    by name."""

    type: str
    text: str | None = None
    refusal: str | None = None
    # Accepted without effect: prefixes are cached without being told.
    cache_control: Any = None
    prompt_cache_breakpoint: Any = None
    # Of other types.
    file: Any = None
    image_url: Any = None
    input_audio: Any = None
    video_url: Any = None


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- arguments: a JSON object as text. - parsed_arguments: the same again; OpenAI's client adds it."""

    name: Name
    arguments: str
    parsed_arguments: Any = None


class MessageToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call in an assistant's message. - index: as in streamed chunks; some clients send it back."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"
    index: int | None = None


class ChatMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message as clients send it, also one that was a reply before."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[MessageToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    # Accepted without effect: prefixes are cached without being told, and OpenAI's client adds `parsed`.
    annotations: list[Any] | None = None
    parsed: Any = None
    cache_control: Any = None
    # Refused unless they ask for nothing.
    audio: Any = None
    function_call: Any = None

    def to_message(self, path: str, called: Mapping[str, str]) -> Message:
        """The message as ours; raises `bad_request`.

        - path: where it stands in the body. - called: names of the functions that were called, by the calls' ids.
        """
        refuse(self, _ASKS_FOR_NOTHING, f"{path}.", hints={"function_call": "Use tool_calls instead."})
        if self.tool_calls and self.role != "assistant":
            raise bad_request("Only an assistant makes calls.", param=f"{path}.tool_calls")
        if self.refusal and self.role != "assistant":
            raise bad_request("Only an assistant refuses.", param=f"{path}.refusal")
        if self.tool_call_id is not None and self.role != "tool":
            raise bad_request("Only a tool's message answers a call.", param=f"{path}.tool_call_id")
        return Message(
            role="system" if self.role == "developer" else self.role,
            content=self._text(path),
            tool_calls=[
                ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
                for call in self.tool_calls or ()
            ],
            tool_call_id=self.tool_call_id,
            name=self.name or called.get(self.tool_call_id or ""),
            reasoning=self.reasoning_content or None,
        )

    def _text(self, path: str) -> str:
        if isinstance(self.content, str):
            return self.content
        if self.content is not None:
            parts = (_text_of(part, f"{path}.content[{index}]", self.role) for index, part in enumerate(self.content))
            return "\n".join(parts)
        if self.role != "assistant":
            raise bad_request(f"'{path}.content' is missing.", param=f"{path}.content")
        return self.refusal or ""


def conversation(messages: Sequence[ChatMessage]) -> list[Message]:
    """The messages as ours; raises `bad_request`.

    A tool's message says only which call it answers, and templates ask for the function's name: it gets it here.
    """
    called: dict[str, str] = {}
    result: list[Message] = []
    for index, message in enumerate(messages):
        called |= {call.id: call.function.name for call in message.tool_calls or ()}
        result.append(message.to_message(f"messages[{index}]", called))
    return result


def _text_of(part: Part, path: str, role: str) -> str:
    if part.type == "refusal" and role == "assistant" and part.refusal is not None:
        return part.refusal
    if part.type != "text":
        what = "no vision: images are" if part.type.startswith("image") else f"'{part.type}' is"
        raise bad_request(f"{what[0].upper()}{what[1:]} not supported.", param=path, hint="Send text parts only.")
    if part.text is None:
        raise bad_request(f"'{path}.text' is missing.", param=f"{path}.text")
    return part.text
