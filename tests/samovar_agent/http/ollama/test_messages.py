from collections import deque
from typing import Any

import msgspec
import pytest

from samovar_agent.http.ollama.messages import ChatMessage, ToolEntry, conversation, offered
from samovar_protocol import SamovarError
from samovar_protocol.values import Message, Tool, ToolCall


def converted(*messages: dict[str, Any]) -> list[Message]:
    return conversation(msgspec.convert(list(messages), list[ChatMessage]))


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {"x": 1}}, **more}


def test_roles_and_what_is_left_out() -> None:
    assert converted({"role": "system", "content": "Be brief."}, {"role": "user"}) == [
        Message(role="system", content="Be brief."),
        Message(role="user", content=""),
    ]
    (assistant,) = converted({"role": "assistant", "content": "No.", "thinking": "Hm", "images": [], "tool_calls": []})
    assert assistant == Message(role="assistant", content="No.", reasoning="Hm")


def test_calls_get_ids_and_their_answers_find_them() -> None:
    said = converted(
        {"role": "assistant", "tool_calls": [call("add"), call("sub", id="mine", type="function"), call("add")]},
        {"role": "tool", "content": "5", "tool_name": "sub"},
        {"role": "tool", "content": "6", "tool_name": "add"},
        {"role": "tool", "content": "7"},
        {"role": "tool", "content": "8", "tool_name": "nobody"},
        {"role": "tool", "content": "9", "tool_call_id": "theirs"},
    )
    assert said[0].tool_calls == [
        ToolCall(id="call_1", name="add", arguments='{"x":1}'),
        ToolCall(id="mine", name="sub", arguments='{"x":1}'),
        ToolCall(id="call_3", name="add", arguments='{"x":1}'),
    ]
    assert [(message.tool_call_id, message.name) for message in said[1:]] == [
        ("mine", "sub"),
        ("call_1", "add"),
        ("call_3", "add"),
        (None, "nobody"),
        ("theirs", None),
    ]


def test_an_id_finds_the_name() -> None:
    said = converted(
        {"role": "assistant", "tool_calls": [call("add", id="a"), call("add", id="b")]},
        {"role": "tool", "content": "2", "tool_call_id": "b"},
    )
    assert (said[1].tool_call_id, said[1].name) == ("b", "add")


def test_each_answer_belongs_to_one_call() -> None:
    """However the answers name their calls, and in whatever order they come."""
    said = converted(
        {"role": "assistant", "tool_calls": [call("add", id="a"), call("add", id="a"), call("sub", id="b")]},
        {"role": "tool", "content": "1", "tool_name": "add", "tool_call_id": "a"},
        {"role": "tool", "content": "2", "tool_call_id": "b"},
        {"role": "tool", "content": "3", "tool_name": "sub"},
        {"role": "tool", "content": "4"},
        {"role": "tool", "content": "5", "tool_call_id": "a"},
    )
    names = [(message.tool_call_id, message.name) for message in said[1:]]
    assert names == [("a", "add"), ("b", "sub"), (None, "sub"), ("a", "add"), ("a", None)]


def test_answers_are_found_without_going_through_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body may hold hundreds of thousands of calls, and the loop serves everybody."""
    looked_at = 0

    class Counting(deque[int]):
        def popleft(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return super().popleft()

    monkeypatch.setattr("samovar_agent.http.ollama.messages.deque", Counting)
    calls, answers = 3000, 3000
    converted(
        {"role": "assistant", "tool_calls": [call(f"f{at}", id=f"a{at}") for at in range(calls)]},
        *({"role": "tool", "tool_call_id": f"a{at}", "tool_name": "nobody"} for at in range(answers)),
        *({"role": "tool", "tool_call_id": f"a{at}"} for at in reversed(range(answers))),
        *({"role": "tool"} for _ in range(answers)),
    )
    assert looked_at <= 4 * calls, "each place at most once"


def test_as_open_webui_sends_calls() -> None:
    """With the place of a call beside its function, where replies have it inside."""
    said = converted(
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [call("add", index=0, id="a"), call("sub", index=1, id=None)],
        },
        {"role": "tool", "content": "2", "tool_call_id": "a"},
    )
    assert [(one.id, one.name) for one in said[0].tool_calls] == [("a", "add"), ("call_2", "sub")]
    assert said[1].name == "add"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "images": ["aGk="]}, "messages[0].images"),
        ({"role": "user", "tool_calls": [call("f")]}, "messages[0].tool_calls"),
        ({"role": "user", "tool_name": "f"}, "messages[0].tool_name"),
        ({"role": "assistant", "tool_call_id": "f"}, "messages[0].tool_call_id"),
    ],
)
def test_what_is_refused(message: dict[str, Any], param: str) -> None:
    with pytest.raises(SamovarError) as caught:
        converted(message)
    assert caught.value.failure.details["param"] == param
    assert caught.value.failure.message


def test_tools() -> None:
    entries = msgspec.convert(
        [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
         {"function": {"name": "g"}}],
        list[ToolEntry],
    )  # fmt: skip
    assert offered(entries) == [Tool(name="f", description="d", parameters={"type": "object"}), Tool(name="g")]
    with pytest.raises(SamovarError, match="same name"):
        offered([entries[1], entries[1]])


def test_arguments_and_schemas_have_a_limit_of_depth() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"x": deep}
    with pytest.raises(SamovarError, match="deeply"):
        offered(msgspec.convert([{"function": {"name": "f", "parameters": deep}}], list[ToolEntry]))
    with pytest.raises(SamovarError, match="deeply"):
        converted({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": deep}}]})
