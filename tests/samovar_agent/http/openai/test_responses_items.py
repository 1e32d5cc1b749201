"""Items as they are checked, as messages, and as they are kept."""

from typing import Any

import pytest

from samovar_agent.http.openai.responses_conversation import conversation
from samovar_agent.http.openai.responses_items import ReferenceItem, item_id, item_of, response_of, stored
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Message, ToolCall

CALL: dict[str, Any] = {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"}
OUTPUT: dict[str, Any] = {"type": "function_call_output", "call_id": "c1", "output": "noon"}
THOUGHT: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": "Hm."}],
}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def said(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def messages_of(*items: dict[str, Any], instructions: str | None = None) -> list[Message]:
    checked = [item_of(raw, f"input[{place}]") for place, raw in enumerate(items)]
    return conversation([], [item for item in checked if not isinstance(item, ReferenceItem)], instructions)


def test_who_said_what() -> None:
    assert messages_of(
        {"role": "developer", "content": "Be kind."},
        {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}], "type": "message"},
        user([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]),
        said("c"),
        {"role": "assistant", "content": "d", "phase": "final_answer"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        instructions="First.",
    ) == [
        Message(role="system", content="First."),
        Message(role="system", content="Be kind."),
        Message(role="system", content="Be brief."),
        Message(role="user", content="a\nb"),
        Message(role="assistant", content="c"),
        Message(role="assistant", content="d"),
        Message(role="assistant", content="No."),
    ]


def test_thoughts_words_and_calls_of_a_turn_are_one_message() -> None:
    second = {**CALL, "call_id": "c2", "name": "sun"}
    searched = {"type": "file_search_call", "id": "fs_1", "queries": ["q"], "status": "completed", "results": None}
    calls = [ToolCall(id="c1", name="clock", arguments="{}"), ToolCall(id="c2", name="sun", arguments="{}")]
    assert messages_of(
        user("a"), searched, THOUGHT, said("Let me look."), CALL, second, OUTPUT, {**OUTPUT, "call_id": "c2"}, said("b")
    ) == [
        Message(role="user", content="a"),
        Message(role="assistant", content="Let me look.", tool_calls=calls, reasoning="Hm."),
        Message(role="tool", content="noon", tool_call_id="c1", name="clock"),
        Message(role="tool", content="noon", tool_call_id="c2", name="sun"),
        Message(role="assistant", content="b"),
    ]


def test_turns_that_follow_each_other_stay_apart() -> None:
    summary = {"type": "reasoning", "id": "x", "summary": [{"type": "summary_text", "text": "So."}]}
    roles = messages_of(user("a"), CALL, OUTPUT, THOUGHT, {**CALL, "call_id": "c2"}, said("b"), summary, THOUGHT)
    assert [(one.role, one.content, len(one.tool_calls), one.reasoning) for one in roles] == [
        ("user", "a", 0, None),
        ("assistant", "", 1, None),
        ("tool", "noon", 0, None),
        ("assistant", "", 1, "Hm."),
        ("assistant", "b", 0, None),
        ("assistant", "", 0, "So.\nHm."),
    ]


def test_an_output_may_have_parts() -> None:
    parts = [{"type": "input_text", "text": "noon"}, {"type": "input_text", "text": "UTC"}]
    assert messages_of(CALL, {**OUTPUT, "output": parts})[-1].content == "noon\nUTC"


def test_an_output_without_its_call() -> None:
    with pytest.raises(SamovarError) as caught:
        messages_of(user("a"), OUTPUT)
    assert caught.value.failure.details["param"] == "input[1].call_id"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({}, "input[0].role"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "wizard", "content": "x"}, "input[0].role"),
        ({"role": "tool", "content": "x"}, "input[0].role"),
        ({"role": "user", "content": None}, "input[0].content"),
        ({"role": "user", "content": 5}, "input[0].content"),
        ({"role": "user", "content": ["x"]}, "input[0].content[0]"),
        ({"role": "user", "content": [{"type": "text", "text": "x"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"text": "x"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text"),
        ({"role": "user", "content": [{"type": "input_text", "text": 5}]}, "input[0].content[0].text"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}, "input[0].content[0]"),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}, "input[0].content[0]"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "input_text", "text": "x", "bold": True}]}, "input[0].content[0].bold"),
        ({"role": "user", "content": "x", "name": "y"}, "input[0].name"),
        ({"role": "user", "content": "x", "type": "msg"}, "input[0].type"),
        ({"type": []}, "input[0].type"),
        ({"type": "web_search_call", "id": "x"}, "input[0].type"),
        ({"type": "computer_call_output"}, "input[0].type"),
        ({"type": "item_reference"}, "input[0].id"),
        ({"type": "item_reference", "id": ""}, "input[0].id"),
        ({"type": "function_call", "name": "x", "arguments": "{}"}, "input[0].call_id"),
        ({**CALL, "arguments": {}}, "input[0].arguments"),
        ({**CALL, "namespace": 5}, "input[0].namespace"),
        ({**CALL, "caller": {"type": "program"}}, "input[0].caller"),
        ({**CALL, "async": True}, "input[0].async"),
        ({**OUTPUT, "output": 5}, "input[0].output"),
        ({**OUTPUT, "output": [{"type": "input_image"}]}, "input[0].output[0]"),
        ({"type": "reasoning", "id": "x", "summary": "x"}, "input[0].summary"),
        ({"type": "reasoning", "id": "x", "summary": [], "encrypted_content": "gAAA"}, "input[0]"),
        ({"type": "file_search_call", "id": "x", "queries": "q"}, "input[0].queries"),
    ],
)
def test_what_is_refused(item: dict[str, Any], param: str) -> None:
    with pytest.raises(SamovarError) as caught:
        messages_of(item)
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert caught.value.failure.details.get("param") == param, caught.value


def test_what_is_kept_means_the_same() -> None:
    items = [
        user("a"),
        THOUGHT,
        {**CALL, "parsed_arguments": {}},
        OUTPUT,
        said("b"),
        {"role": "assistant", "content": "c"},
    ]
    kept = []
    for place, raw in enumerate(items):
        item = item_of(raw, "")
        assert not isinstance(item, ReferenceItem)
        kept.append(stored(item, f"id_{place}"))
    assert [raw["id"] for raw in kept] == [f"id_{place}" for place in range(len(items))]
    assert messages_of(*kept) == messages_of(*items)
    assert kept[0] == {
        "id": "id_0",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "a"}],
    }
    assert kept[5]["content"] == [{"type": "output_text", "text": "c", "annotations": []}]


def test_an_item_s_id_tells_whose_it_is() -> None:
    response = "resp_" + "0f" * 16
    for place in ("0", "12", "i3"):
        assert response_of(item_id("msg", response, place)) == response
    for other in ("msg_1", "", "msg_" + "0f" * 16, "msg_" + "0f" * 16 + "_x", "resp_" + "0f" * 16):
        assert response_of(other) is None
