"""Messages and tools as chat templates want them, which not all want alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from samovar_agent.engine.worker.output.frame import Frame
from samovar_protocol.values import Message, Tool

Turn = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallStyle:
    """How a template reads calls of earlier turns.

    - arguments: as an object, or as the text of one. - content: of a turn that only calls.
    """

    arguments: Literal["object", "text"] = "object"
    content: str | None = ""


CALL_STYLES = (
    CallStyle("object", ""),
    CallStyle("object", None),
    CallStyle("text", ""),
    CallStyle("text", None),
)


def as_turn(message: Message, style: CallStyle = CALL_STYLES[0]) -> Turn:
    """A message as a template sees it; what is not there has no key, since templates ask with `in`."""
    turn: Turn = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["content"] = message.content or style.content
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": _decoded(call.arguments) if style.arguments == "object" else call.arguments,
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        turn["name"] = message.name
    if message.reasoning:
        turn["reasoning_content"] = message.reasoning
        if not (message.content and message.tool_calls):  # gpt-oss's template takes no more than one beside calls
            turn["thinking"] = message.reasoning
    return turn


def as_declaration(tool: Tool) -> dict[str, Any]:
    """A tool as a template sees it."""
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def without_system(messages: Sequence[Message]) -> list[Message]:
    """For templates that know no system: its text goes into the user's turn before it, or before the next one.

    What stands between two turns of the user makes them one: roles alternate in many such templates.
    """
    result: list[Message] = []
    waiting: list[str] = []
    joining = False
    for message in messages:
        if message.role == "system" and result and result[-1].role == "user":
            result[-1] = _joined(result[-1], message.content)
            joining = True
            continue
        if message.role == "system":
            waiting.append(message.content)
        elif message.role == "user" and joining:
            result[-1] = _joined(result[-1], message.content)
        elif message.role == "user" and waiting:
            result.append(msgspec.structs.replace(message, content="\n\n".join([*waiting, message.content])))
            waiting.clear()
        else:
            result.append(message)
        joining = False
    if waiting:
        result.append(Message(role="user", content="\n\n".join(waiting)))
    return result


def with_system_first_only(messages: Sequence[Message]) -> list[Message]:
    """For templates that know a system at the beginning alone: what it says later is told with the user's turns."""
    start = 1 if messages and messages[0].role == "system" else 0
    return [*messages[:start], *without_system(messages[start:])]


def _joined(message: Message, text: str) -> Message:
    return msgspec.structs.replace(message, content=f"{message.content}\n\n{text}")


def with_tools_described(messages: Sequence[Message], tools: Iterable[Tool], frame: Frame) -> list[Message]:
    """For templates that know no tools: the system says what there is and how to call it."""
    example = f"{frame.openings[0]}{frame.before}NAME{frame.between}{{...}}{frame.after}{frame.closing}"
    declared = "\n".join(json.dumps(as_declaration(tool)["function"], ensure_ascii=False) for tool in tools)
    text = (
        f"You can call these functions:\n{declared}\n\n"
        f"To call one, answer with nothing but this, with the function's name and its arguments as JSON:\n{example}"
    )
    first = messages[0] if messages else None
    if first is not None and first.role == "system":
        return [msgspec.structs.replace(first, content=f"{first.content}\n\n{text}"), *messages[1:]]
    return [Message(role="system", content=text), *messages]


def with_calls_as_text(messages: Iterable[Message], frame: Frame) -> list[Message]:
    """For templates that show no calls: what was called and what came back is told in words."""
    result: list[Message] = []
    for message in messages:
        if message.role == "tool":
            whose = f" of {message.name}" if message.name else ""
            text = f"The result{whose}:\n{message.content}"
            if result and result[-1].role == "user":  # roles alternate in many such templates
                text = f"{result.pop().content}\n\n{text}"
            result.append(Message(role="user", content=text))
        elif message.tool_calls:
            calls = [
                f"{frame.before}{call.name}{frame.between}{call.arguments}{frame.after}" for call in message.tool_calls
            ]
            text = "\n".join(part for part in (message.content, *calls) if part)
            result.append(Message(role="assistant", content=text))
        else:
            result.append(message)
    return result


def with_reasoning_apart(messages: Iterable[Message], think: tuple[str, str]) -> list[Message]:
    """What an assistant thought, moved out of its content, where clients send the whole reply back.

    Templates look for the closing tag there, which they would not find any more once typed markers are broken.
    """
    begin, end = think
    result: list[Message] = []
    for message in messages:
        before, found, after = message.content.rpartition(end) if message.role == "assistant" else ("", "", "")
        if found:
            thought = message.reasoning or before.rpartition(begin)[2].strip("\n")
            message = msgspec.structs.replace(message, content=after.lstrip("\n"), reasoning=thought)
        result.append(message)
    return result


def _decoded(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
