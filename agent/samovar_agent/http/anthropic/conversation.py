"""The conversation of a request as ours: turns of one role after the other, and what of a reply there is already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from samovar_agent.http.anthropic.blocks import (
    AnyBlock,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolAdditionBlock,
    ToolRemovalBlock,
    ToolResultBlock,
    ToolUseBlock,
    check_call,
    result_text,
    shown,
    told_change,
    tool_changes,
)
from samovar_agent.http.anthropic.signature import held
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import check_depth, refuse
from samovar_protocol.values import Message, ToolCall

Role = Literal["user", "assistant", "system"]

_BETWEEN = "\n\n"
_BILLING = "x-anthropic-billing-header:"
"""Begins a block by which Claude Code tells its version and a number that is another one each time. It is meant for
Anthropic's books, and in a prompt it would keep the whole of it from being cached."""
_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {"clear_at": ("never",), "output_config": ({},)}


class MessageParam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as clients send it. - clear_at, output_config: of a system's message; refused."""

    role: Role
    content: str | list[AnyBlock]
    clear_at: Any = None
    output_config: Any = None


@dataclass(slots=True)
class _Turn:
    """Consecutive messages of one role. - at: where it ends in the body."""

    role: Role
    at: str
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Conversation:
    """- begun: whether the last message is what there is of the reply already.

    - changes: tools that were made available on the way, or taken away, as it is in the end.
    """

    messages: list[Message]
    begun: bool
    changes: Mapping[str, bool] = field(default_factory=dict)


def conversation(system: str | Sequence[TextBlock] | None, messages: Sequence[MessageParam]) -> Conversation:
    """The conversation as ours; raises `bad_request`."""
    turns: list[_Turn] = []
    called: dict[str, str] = {}
    changes: dict[str, bool] = {}
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        refuse(message, _ASKS_FOR_NOTHING, f"{path}.")
        if not turns or turns[-1].role != message.role:
            turns.append(_Turn(message.role, path))
        _add(turns[-1], message, path, called, changes)
    if all(turn.role != "user" for turn in turns):
        raise bad_request("There is no message of the user.", param="messages", hint="Send at least one.")
    begun = _is_begun(turns[-1])
    if turns[-1].role == "assistant" and not begun:
        turns.pop()  # an empty reply is begun by nobody
    first = _system(system)
    return Conversation([*first, *(one for turn in turns for one in _messages(turn))], begun, changes)


def without_thoughts(messages: Sequence[Message], *, but: int) -> list[Message]:
    """The messages, with what was thought in the last `but` of the turns that have any."""
    thoughtful = [at for at, message in enumerate(messages) if message.reasoning]
    cleared = set(thoughtful[: max(0, len(thoughtful) - but)])
    return [
        msgspec.structs.replace(message, reasoning=None) if at in cleared else message
        for at, message in enumerate(messages)
    ]


def _system(system: str | Sequence[TextBlock] | None) -> list[Message]:
    texts = (
        [system]
        if isinstance(system, str)
        else [shown(block, f"system[{at}]") for at, block in enumerate(system or [])]
    )
    text = _BETWEEN.join(text for text in texts if text and not text.startswith(_BILLING))
    return [Message(role="system", content=text)] if text else []


def _add(turn: _Turn, message: MessageParam, path: str, called: dict[str, str], changes: dict[str, bool]) -> None:
    turn.at = path
    if isinstance(message.content, str):
        turn.texts.append(message.content)
        return
    texts: list[str] = []
    for index, block in enumerate(message.content):
        at = f"{path}.content[{index}]"
        match block:
            case ThinkingBlock() | RedactedThinkingBlock():
                _check_role(message.role, "assistant", block, at)
                if isinstance(block, ThinkingBlock) and (thought := block.thinking or held(block.signature)):
                    turn.thoughts.append(thought)
            case ToolUseBlock():
                _check_role(message.role, "assistant", block, at)
                check_call(block, at)
                called[block.id] = block.name
                turn.calls.append(_call(block))
            case ToolResultBlock():
                _check_role(message.role, "user", block, at)
                turn.results.append(_result(block, at, called))
                changes |= tool_changes(block)
            case ToolAdditionBlock() | ToolRemovalBlock():
                _check_role(message.role, "system", block, at)
                found = tool_changes(block)
                texts += [told_change(*change) for change in found.items()]
                changes |= found
            case _:
                if not isinstance(block, TextBlock):
                    _check_role(message.role, "user", block, at)
                texts.append(shown(block, at))
    # What an assistant wrote between its calls is one text; what a user puts together is several.
    if texts:
        turn.texts.append(("" if message.role == "assistant" else _BETWEEN).join(texts))


def _messages(turn: _Turn) -> list[Message]:
    text = _BETWEEN.join(text for text in turn.texts if text)
    if turn.role == "assistant":
        thoughts = _BETWEEN.join(turn.thoughts) or None
        return [Message(role="assistant", content=text, tool_calls=turn.calls, reasoning=thoughts)]
    # Results come first, wherever they stand among the blocks: templates want them right behind the calls.
    own = [Message(role=turn.role, content=text)] if text or not turn.results else []
    return [*turn.results, *own]


def _is_begun(turn: _Turn) -> bool:
    """Whether the reply goes on from this turn, the last one."""
    if turn.role != "assistant":
        return False
    if turn.calls:
        raise bad_request(
            "The last message calls tools, and their results are missing.",
            param=turn.at,
            hint="Send a message of the user with a tool_result for each call.",
        )
    if turn.thoughts:
        raise bad_request("A reply that was begun cannot hold thinking.", param=turn.at, hint="Send its text alone.")
    text = _BETWEEN.join(text for text in turn.texts if text)
    if text != text.rstrip():
        raise bad_request(
            "The last message is the beginning of the reply and ends with white space, from where models go on badly.",
            param=turn.at,
            hint="Remove the white space at its end.",
        )
    return bool(text)


def _call(block: ToolUseBlock) -> ToolCall:
    check_depth(block.input)
    return ToolCall(id=block.id, name=block.name, arguments=msgspec.json.encode(block.input).decode())


def _result(block: ToolResultBlock, path: str, called: Mapping[str, str]) -> Message:
    if block.tool_use_id not in called:
        raise bad_request(
            f"No call before this has the id '{block.tool_use_id[:100]}'.",
            param=f"{path}.tool_use_id",
            hint="Send the assistant's message with the tool_use before its tool_result.",
        )
    text = result_text(block, path)
    return Message(role="tool", content=text, tool_call_id=block.tool_use_id, name=called[block.tool_use_id])


def _check_role(role: Role, expected: Role, block: AnyBlock, path: str) -> None:
    if role != expected:
        kind = block.__struct_config__.tag
        raise bad_request(f"A block of type '{kind}' cannot stand in a message of the {role}.", param=path)
