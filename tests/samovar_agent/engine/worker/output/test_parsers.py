import itertools
import json
import time

import pytest

from samovar_agent.engine.worker.output import Content, Delta, Family, Reasoning, ToolCallArguments, parser_for
from tests.samovar_agent.engine.worker.output.recorded import H_OSLO, H_ROME
from tests.samovar_agent.engine.worker.output.replies import TOOLS, Reply, joined, read


def shown(family: Family, pieces: list[str], *, tail: str = "", partial_calls: bool = False) -> list[list[Delta]]:
    parser = parser_for(family, tools=TOOLS, reasoning=True, prompt_tail=tail, partial_calls=partial_calls)
    return [parser.feed(piece) for piece in pieces]


def test_text_is_shown_as_soon_as_it_can_be_no_marker() -> None:
    assert shown(Family.HERMES, ["A <", "b ", "<tool_", "x"]) == [
        [Content("A")],
        [Content(" <b")],
        [],
        [Content(" <tool_x")],
    ]


def test_reasoning_is_shown_as_it_comes() -> None:
    assert shown(Family.HERMES, ["<thi", "nk>\nSo", ", yes</", "think>", "\n\nYes"]) == [
        [],
        [Reasoning("So")],
        [Reasoning(", yes")],
        [],
        [Content("Yes")],
    ]


def test_an_answer_in_json_is_not_held_back_where_it_calls_nothing() -> None:
    assert joined(itertools.chain(*shown(Family.JSON, ['{"answer": ', '"long']))).content == '{"answer": "long'


def test_a_call_is_given_once_it_is_whole() -> None:
    first, rest, tag = shown(Family.HERMES, [H_OSLO[:60], H_OSLO[60:-13], H_OSLO[-13:]])
    assert not first
    assert joined(rest).arguments == [("get_weather", {"city": "Oslo"})]
    assert not tag


def test_arguments_come_while_they_are_written_where_that_is_asked_for() -> None:
    pieces = ['<tool_call>{"name": "write_file", "arg', 'uments": {"text": "one', " two", '"}', "}</tool_call>"]
    given = shown(Family.HERMES, pieces, partial_calls=True)
    assert not given[0]
    assert given[2] == [ToolCallArguments(0, " two")]
    assert joined(itertools.chain(*given)).arguments == [("write_file", {"text": "one two"})]


@pytest.mark.parametrize("split", [1, 7, 200])
def test_a_cut_off_call_given_already_ends_inside_its_arguments(split: int) -> None:
    text = '<tool_call>{"name": "write_file", "arguments": {"text": "one\\'
    pieces = [text[at : at + split] for at in range(0, len(text), split)]
    assert read(Family.HERMES, pieces, partial_calls=True) == Reply(calls=(("write_file", '{"text": "one'),))


def test_without_tools_calls_are_text() -> None:
    assert read(Family.HERMES, [f"a\n{H_OSLO}"], tools=()).content == f"a\n{H_OSLO}"


def test_reasoning_that_is_not_told_apart_keeps_its_tags() -> None:
    text = f"<think>\nHm <tool_call>\n</think>\n\nYes.\n{H_ROME}"
    reply = read(Family.HERMES, list(text), reasoning=False)
    assert reply.content == "<think>\nHm <tool_call>\n</think>\n\nYes."
    assert reply.arguments == [("get_weather", {"city": "Rome", "days": 3})]
    analysis = "<|channel|>analysis<|message|>Hm.<|end|>"
    assert read(Family.HARMONY, [analysis], reasoning=False) == Reply(content="Hm.")


def test_a_tool_nobody_offered_is_still_a_call_behind_a_marker() -> None:
    reply = read(Family.HERMES, ['<tool_call>{"name": "other", "arguments": {}}</tool_call>'])
    assert reply.arguments == [("other", {})]


@pytest.mark.parametrize(
    "arguments",
    [
        "[" * 100_000,
        '{"a": ' * 100_000,
        "{" + '"a": [' * 300,
        '{"a": 1' + "0" * 10_000 + "}",
        '{"a": NaN}',
        '{"a": "\\x"}',
        '{"a": 1,}',
        '{"a": 01}',
        '"not an object"',
        "7",
    ],
)
def test_bad_arguments_are_content(arguments: str) -> None:
    text = f'<tool_call>{{"name": "write_file", "arguments": {arguments}}}</tool_call>'
    assert read(Family.HERMES, [text]) == Reply(content=text)


@pytest.mark.parametrize("name", ["", "two words", "a\\u0000", "\\ud800", "x" * 200])
def test_a_name_must_be_one(name: str) -> None:
    text = f'<tool_call>{{"name": "{name}", "arguments": {{}}}}</tool_call>'
    assert read(Family.HERMES, [text]) == Reply(content=text)


@pytest.mark.parametrize(
    "code", ["get_weather(" * 5_000, "get_weather(city=[" + "[" * 5_000, "get_weather(city=open())"]
)
def test_python_that_is_too_much_is_content(code: str) -> None:
    assert read(Family.GEMMA, [f"```tool_code\n{code}\n```"]).calls == ()


@pytest.mark.parametrize("family", list(Family))
def test_markers_without_end_take_no_time(family: Family) -> None:
    marker = {
        Family.QWEN_CODER: "<tool_call><function=f><parameter=k>",
        Family.GLM: "<tool_call>f<arg_key>k</arg_key><arg_value>",
        Family.GEMMA4: '<|tool_call>call:f{k:<|"|>',
        Family.MISTRAL: '[TOOL_CALLS][{"name": "f", "arguments": {"a": "',
    }.get(family, '<tool_call>{"name": "f", "arguments": {"a": [')
    text = marker * 800
    began = time.process_time()
    reply = read(family, [text[at : at + 20] for at in range(0, len(text), 20)])
    assert time.process_time() - began < 5
    assert reply.content.replace("\n", "").startswith(marker[:10])


def test_a_long_call_piece_by_piece() -> None:
    long = "line\n" * 20_000
    text = f'<tool_call>{{"name": "write_file", "arguments": {json.dumps({"text": long})}}}</tool_call>'
    began = time.process_time()
    reply = read(Family.HERMES, [text[at : at + 5] for at in range(0, len(text), 5)])
    assert reply.arguments == [("write_file", {"text": long})]
    assert time.process_time() - began < 5
