import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar_agent.engine.worker.output import Family
from tests.samovar_agent.engine.worker.output.recorded import CASES
from tests.samovar_agent.engine.worker.output.replies import Case, read, splits

CALLING = {name: case for name, case in CASES.items() if case.calls and "cut off" not in name}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_recorded_reply_however_it_is_split(case: Case) -> None:
    whole = read(case.family, [case.text], tail=case.tail)
    assert (whole.content, whole.reasoning) == (case.content, case.reasoning)
    assert tuple(whole.arguments) == case.calls
    for pieces in splits(case.text):
        assert read(case.family, pieces, tail=case.tail) == whole, pieces


@pytest.mark.parametrize("case", CALLING.values(), ids=CALLING.keys())
def test_arguments_while_they_are_written_come_to_the_same(case: Case) -> None:
    whole = read(case.family, [case.text], tail=case.tail)
    for pieces in splits(case.text):
        assert read(case.family, pieces, tail=case.tail, partial_calls=True) == whole


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_splits_of_recorded_replies(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(list(CASES.values())))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(case.text)), max_size=8)))
    pieces = [case.text[a:b] for a, b in zip([0, *cuts], [*cuts, len(case.text)], strict=True)]
    assert read(case.family, pieces, tail=case.tail) == read(case.family, [case.text], tail=case.tail)


FRAGMENTS = sorted(
    {part for case in CASES.values() for part in (case.text[:25], case.text[25:40], case.text[-25:], case.tail)}
    | {"<tool_call>", "</tool_call>", "<think>", "</think>", '{"name": "get_weather", ', '"arguments": {', "}}", "]"}
    | {"<|channel|>", "<|message|>", "<parameter=", "</parameter>", "</function>", "`", '"', "\\", "\n", " ", "```"}
)


@settings(max_examples=150, deadline=None)
@given(
    family=st.sampled_from(list(Family)),
    parts=st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=8),
    partial=st.booleans(),
)
def test_no_garbage_breaks_a_parser_and_calls_are_always_json(family: Family, parts: list[str], partial: bool) -> None:
    text = "".join(parts)
    whole = read(family, [text])
    assert whole.arguments is not None
    assert read(family, list(text)) == whole
    assert read(family, parts) == whole
    assert all(isinstance(arguments, dict) for _, arguments in whole.arguments)
    assert read(family, list(text), partial_calls=True) == read(family, parts, partial_calls=True)
