"""Items of `/v1/responses` as the messages of a conversation."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from samovar_agent.http.errors import bad_request
from samovar_agent.http.openai.responses_items import (
    CallItem,
    CallOutputItem,
    Item,
    MessageItem,
    ReasoningItem,
    SearchItem,
    text_of,
)
from samovar_agent.http.openai.responses_namespaces import shown_name
from samovar_protocol.values import Message, ToolCall


def conversation(earlier: Sequence[Item], items: Sequence[Item], instructions: str | None) -> list[Message]:
    """The messages; raises `bad_request` for an output without its call.

    Thoughts, words and calls of one turn are items of their own here, and one message to a chat template.

    - earlier: of the responses before. - items: of this request.
    """
    result: list[Message] = [Message(role="system", content=instructions)] if instructions else []
    called: dict[str, str] = {}
    turn: Message | None = None
    for number, item in enumerate((*earlier, *items), -len(earlier)):
        if isinstance(item, SearchItem):
            continue
        joined = _joined(turn, item)
        if joined is not None:
            turn = joined
        elif turn is not None:
            result.append(turn)
            turn = _joined(None, item)
        if isinstance(item, CallItem):
            called[item.call_id] = shown_name(item.namespace, item.name)
        elif isinstance(item, CallOutputItem):
            result.append(_answer(item, called, f"input[{number}]"))
        elif isinstance(item, MessageItem) and item.role != "assistant":
            role = "system" if item.role == "developer" else item.role
            result.append(Message(role=role, content=text_of(item.content, "", refusals=False)))
    return [*result, turn] if turn is not None else result


def _joined(turn: Message | None, item: Item) -> Message | None:
    """The assistant's turn with this too; None where that is no part of it."""
    if isinstance(item, ReasoningItem):
        if turn is None:
            return Message(role="assistant", content="", reasoning=item.text or None)
        if turn.content or turn.tool_calls:
            return None
        return msgspec.structs.replace(turn, reasoning="\n".join(filter(None, (turn.reasoning, item.text))) or None)
    if isinstance(item, CallItem):
        call = ToolCall(id=item.call_id, name=shown_name(item.namespace, item.name), arguments=item.arguments)
        if turn is None:
            return Message(role="assistant", content="", tool_calls=[call])
        return msgspec.structs.replace(turn, tool_calls=[*turn.tool_calls, call])
    if isinstance(item, MessageItem) and item.role == "assistant":
        text = text_of(item.content, "", refusals=True)
        if turn is None:
            return Message(role="assistant", content=text)
        if turn.content or turn.tool_calls:
            return None
        return msgspec.structs.replace(turn, content=text)
    return None


def _answer(item: CallOutputItem, called: dict[str, str], path: str) -> Message:
    if item.call_id not in called:
        raise bad_request(
            f"No call before it has the id '{item.call_id}'.",
            param=f"{path}.call_id",
            hint="Send the function_call item too, or the previous_response_id.",
        )
    text = text_of(item.output, "", refusals=False)
    return Message(role="tool", content=text, tool_call_id=item.call_id, name=called[item.call_id])
