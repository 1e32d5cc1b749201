"""Messages of Anthropic's shape as ours."""

from typing import Any

import msgspec
import pytest

from samovar_agent.http.anthropic.blocks import TextBlock
from samovar_agent.http.anthropic.conversation import Conversation, MessageParam, conversation, without_thoughts
from samovar_protocol import SamovarError
from samovar_protocol.values import Message, ToolCall

CALL = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {"zone": "UTC"}}
CALLED = ToolCall(id="toolu_1", name="clock", arguments='{"zone":"UTC"}')


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def told(*messages: tuple[str, Any], system: str | list[dict[str, Any]] | None = None) -> Conversation:
    given = [{"role": role, "content": content} for role, content in messages]
    return conversation(
        msgspec.convert(system, str | list[TextBlock] | None), msgspec.convert(given, list[MessageParam])
    )


def user(content: str) -> Message:
    return Message(role="user", content=content)


def test_strings_and_blocks() -> None:
    found = told(
        ("user", "Hi"),
        ("assistant", [text("Hel"), text("lo.", citations=None)]),
        ("user", [text("One", cache_control={"type": "ephemeral"}), text("Two")]),
        system="Be brief.",
    )
    assert found == Conversation(
        [
            Message(role="system", content="Be brief."),
            user("Hi"),
            Message(role="assistant", content="Hello."),
            user("One\n\nTwo"),
        ],
        begun=False,
    )


def test_consecutive_messages_of_one_role_are_one_turn() -> None:
    found = told(("user", "One"), ("user", [text("Two")]), ("assistant", "A"), ("assistant", "B"), ("user", "Three"))
    assert [message.content for message in found.messages] == ["One\n\nTwo", "A\n\nB", "Three"]


def test_a_system_in_blocks_and_in_the_middle() -> None:
    system = [text("Be brief.", cache_control={"type": "ephemeral", "ttl": "1h"}), text("Be kind.")]
    found = told(("user", "Hi"), ("system", "Now in French."), ("user", "Go on"), system=system)
    assert [(message.role, message.content) for message in found.messages] == [
        ("system", "Be brief.\n\nBe kind."),
        ("user", "Hi"),
        ("system", "Now in French."),
        ("user", "Go on"),
    ]


def test_what_is_another_one_each_time_and_says_nothing_to_a_model_stays_out_of_the_prompt() -> None:
    header = "x-anthropic-billing-header: cc_version=2.1; cch=fa690;"
    one, other = (told(("user", "Hi"), system=[text(header + more), text("Be brief.")]) for more in ("1", "2"))
    assert one == other
    assert one.messages[0].content == "Be brief."
    assert told(("user", "Hi"), system="").messages == [user("Hi")]


def test_calls_and_their_results() -> None:
    results = [
        text("And now?"),
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12:30"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [text("No"), text("zone")], "is_error": True},
        {"type": "tool_result", "tool_use_id": "toolu_1"},
    ]
    other = {**CALL, "id": "toolu_2", "name": "zones", "input": {}, "caller": {"type": "direct"}}
    thinking = {"type": "thinking", "thinking": "A clock.", "signature": "samovar"}
    found = told(("user", "Time?"), ("assistant", [thinking, text("Let me see."), CALL, other]), ("user", results))
    assert found.messages[1:] == [
        Message(
            role="assistant",
            content="Let me see.",
            tool_calls=[CALLED, ToolCall(id="toolu_2", name="zones", arguments="{}")],
            reasoning="A clock.",
        ),
        Message(role="tool", content="12:30", tool_call_id="toolu_1", name="clock"),
        Message(role="tool", content="Error: No\n\nzone", tool_call_id="toolu_2", name="zones"),
        Message(role="tool", content="", tool_call_id="toolu_1", name="clock"),
        user("And now?"),
    ]


def test_thinking_that_nobody_can_read_is_not_shown() -> None:
    found = told(
        ("user", "Hi"), ("assistant", [{"type": "redacted_thinking", "data": "Em8B"}, text("Yes")]), ("user", "So")
    )
    assert found.messages[1] == Message(role="assistant", content="Yes")


def test_documents_and_search_results_are_text() -> None:
    plain = {"type": "text", "media_type": "text/plain", "data": "Tea is hot."}
    blocks = [
        {
            "type": "document",
            "source": plain,
            "title": "On tea",
            "context": "A leaflet",
            "citations": {"enabled": False},
        },
        {"type": "document", "source": {"type": "content", "content": [text("One"), text("Two")]}},
        {"type": "search_result", "source": "https://tea.test", "title": "Tea", "content": [text("Found")]},
    ]
    assert told(("user", blocks)).messages == [
        user(
            "<document>\nOn tea\nA leaflet\n\nTea is hot.\n</document>\n\n"
            "<document>\nOne\n\nTwo\n</document>\n\n"
            "<document>\nTea\nhttps://tea.test\n\nFound\n</document>"
        )
    ]


def test_a_reply_that_was_begun() -> None:
    found = told(("user", "Hi"), ("assistant", [text("The answer"), text(" is (")]))
    assert found.begun and found.messages[-1].content == "The answer is ("
    nothing: list[Any] = ["", []]
    for empty in nothing:
        found = told(("user", "Hi"), ("assistant", empty))
        assert found == Conversation([user("Hi")], begun=False)


CITED = {"enabled": True}
RESULT = {"type": "tool_result", "tool_use_id": "1"}
THOUGHT = {"type": "thinking", "thinking": "Hm"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


DOCUMENT = "messages[0].content[0].source.type"
WRONG: list[tuple[list[tuple[str, Any]], str, str]] = [
    ([("user", [text("a"), IMAGE])], "messages[0].content[1]", "vision"),
    ([("user", [{"type": "document", "source": {"type": "base64", "data": "x"}}])], DOCUMENT, "plain text"),
    ([("user", [{"type": "document", "source": {"type": "url", "url": "x"}}])], DOCUMENT, "plain text"),
    (
        [("user", [{"type": "document", "source": {"type": "content", "content": [IMAGE]}}])],
        "messages[0].content[0].source.content[0]",
        "vision",
    ),
    (
        [("user", [{"type": "search_result", "source": "a", "title": "b", "content": [], "citations": CITED}])],
        "messages[0].content[0].citations.enabled",
        "Citations",
    ),
    ([("user", [text("a", citations=[{}])])], "messages[0].content[0].citations", "Citations"),
    ([("user", [CALL])], "messages[0].content[0]", "tool_use"),
    ([("user", "a"), ("assistant", [IMAGE]), ("user", "b")], "messages[1].content[0]", "image"),
    ([("user", "a"), ("system", [IMAGE])], "messages[1].content[0]", "image"),
    ([("user", "a"), ("assistant", [RESULT])], "messages[1].content[0]", "tool_result"),
    ([("user", [RESULT])], "messages[0].content[0].tool_use_id", "'1'"),
    ([("user", "a"), ("assistant", [{**CALL, "caller": {"type": "b"}}])], "messages[1].content[0].caller", "caller"),
    ([("user", "a"), ("assistant", [CALL])], "messages[1]", "results are missing"),
    ([("user", "a"), ("assistant", "Well, ")], "messages[1]", "white space"),
    ([("user", "a"), ("assistant", [THOUGHT, text("Well")])], "messages[1]", "thinking"),
    ([("assistant", "Well")], "messages", "no message of the user"),
    ([("system", "Well")], "messages", "no message of the user"),
]


@pytest.mark.parametrize(("messages", "param", "words"), WRONG)
def test_what_cannot_be_is_refused_by_name(messages: list[tuple[str, Any]], param: str, words: str) -> None:
    with pytest.raises(SamovarError) as caught:
        told(*messages)
    assert caught.value.code == "bad_request"
    assert caught.value.failure.details["param"] == param
    assert words in caught.value.failure.message


def test_earlier_thoughts_can_be_left_out() -> None:
    thoughts = ["1", None, "2", "3"]
    messages = [Message(role="assistant", content="", reasoning=thought) for thought in thoughts]
    for but, left in ((1, [None, None, None, "3"]), (2, [None, None, "2", "3"]), (9, thoughts)):
        assert [message.reasoning for message in without_thoughts(messages, but=but)] == left
