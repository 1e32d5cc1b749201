import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar_agent.engine.interface import Finished
from samovar_agent.engine.reply import ReplyBuilder
from samovar_agent.engine.worker.output import Family, parser_for
from samovar_agent.engine.worker.output.special import special_markers
from samovar_agent.engine.worker.reply_parser import PlainReply, ReplyParser, StructuredReply
from samovar_protocol.values import AnyDelta, Choice, Stats, Text, Thinking, TokenLogprob, ToolCallBegan
from tests.samovar_agent.engine.worker.fake_vocabulary import FakeVocabulary
from tests.samovar_agent.engine.worker.output.recorded import CASES, H_OSLO
from tests.samovar_agent.engine.worker.output.replies import TOOLS, Case


def run(parser: ReplyParser, tokens: Sequence[int], logprobs: Sequence[TokenLogprob] | None = None) -> list[AnyDelta]:
    deltas: list[AnyDelta] = []
    for index, token in enumerate(tokens):
        deltas += parser.feed(token, logprobs[index] if logprobs else None)
        if parser.stopped:
            break
    return [*deltas, *parser.finish()]


def choice(deltas: list[AnyDelta]) -> Choice:
    builder = ReplyBuilder(1)
    for delta in deltas:
        builder.add(delta)
    reply = builder.build("m", Finished(finish_reasons=["stop"], stats=Stats()), 0.0)
    return Choice(
        text=reply.text,
        finish_reason="stop",
        reasoning=reply.reasoning,
        tool_calls=reply.tool_calls,
        logprobs=reply.logprobs,
    )


def structured(
    model: FakeVocabulary, family: Family, *, tail: str = "", stops: Sequence[str] = (), raw_stops: Sequence[str] = ()
) -> StructuredReply:
    reader = parser_for(family, tools=TOOLS, reasoning=True, prompt_tail=tail)
    return StructuredReply(model, reader, special_markers(family), choice=0, stops=stops, raw_stops=raw_stops)


def check(case: Case, reply: Choice) -> None:
    assert (reply.text, reply.reasoning) == (case.content, case.reasoning)
    assert [(call.name, json.loads(call.arguments)) for call in reply.tool_calls] == list(case.calls)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_recorded_replies_whatever_the_tokens_are(case: Case, size: int) -> None:
    model = FakeVocabulary()
    check(case, choice(run(structured(model, case.family, tail=case.tail), model.cut(case.text, [size]))))


SPOKEN = [name for name in CASES if "spoken of" in name or "speaks of" in name or "quote" in name]


@pytest.mark.parametrize("name", [name for name in CASES if name not in SPOKEN])
@pytest.mark.parametrize("size", [1, 5])
def test_recorded_replies_with_markers_as_special_tokens(name: str, size: int) -> None:
    """The parser sees them, and no user does, even where they came to nothing."""
    case = CASES[name]
    markers = sorted(special_markers(case.family), key=len, reverse=True)
    model = FakeVocabulary(markers)
    reply = choice(run(structured(model, case.family, tail=case.tail), model.cut(case.text, [size])))
    assert not any(marker in reply.text for marker in markers)
    assert not any(marker in reply.reasoning for marker in markers)
    if not any(marker in case.content + case.reasoning for marker in markers):
        check(case, reply)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_recorded_replies_split_at_random_bytes(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(list(CASES.values())))
    model = FakeVocabulary()
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=40))
    check(case, choice(run(structured(model, case.family, tail=case.tail), model.cut(case.text, sizes))))


def test_special_tokens_that_mean_nothing_to_the_family_are_left_out() -> None:
    model = FakeVocabulary(["<|im_start|>", "<unused7>"])
    tokens = model.cut("<|im_start|>Hel<unused7>lo", [2])
    assert choice(run(structured(model, Family.HERMES), tokens)).text == "Hello"
    assert choice(run(PlainReply(model), tokens)).text == "Hello"


TEXTS = ["plain", "Grüße 日本 👩‍👩‍👧", "one END two", "ENEND", "END", "almost EN", "x\n\nEN"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_stop_texts_in_both_kinds_of_reply(text: str, size: int) -> None:
    model = FakeVocabulary()
    expected, found, _ = text.partition("END")
    parsers: list[ReplyParser] = [PlainReply(model, stops=["END"]), structured(model, Family.HERMES, stops=["END"])]
    parsers.append(structured(model, Family.HERMES, raw_stops=["END"]))
    for parser in parsers:
        assert choice(run(parser, model.cut(text, [size]))).text == expected
        assert parser.stopped == bool(found)
        assert parser.finish_reason("stop") == "stop"


def test_stop_texts_do_not_end_reasoning_or_calls() -> None:
    model = FakeVocabulary()
    text = f"<think>\nOslo, so.\n</think>\n\nWell.\n{H_OSLO}"
    parser = structured(model, Family.HERMES, stops=["Oslo", "\n\n"])
    reply = choice(run(parser, model.cut(text, [3])))
    assert (reply.reasoning, reply.text) == ("Oslo, so.", "Well.")
    assert len(reply.tool_calls) == 1
    assert parser.finish_reason("stop") == "tool_calls"
    assert parser.finish_reason("length") == "length"


def test_what_could_be_a_stop_text_comes_before_the_call_behind_it() -> None:
    model = FakeVocabulary()
    deltas = run(structured(model, Family.HERMES, stops=["ENDS"]), model.cut(f"the END{H_OSLO}", [4]))
    assert next(type(delta) for delta in deltas if not isinstance(delta, Text)) is ToolCallBegan
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == "the END"
    assert isinstance(deltas[0], Text)


def test_invalid_bytes_are_told_when_they_are_certain() -> None:
    model = FakeVocabulary()
    for parser in (PlainReply(model), structured(model, Family.HERMES)):
        shown = [choice(parser.feed(model.token(data), None)).text for data in (b"a\xe6", b"\x97", b"\xa5\xff", b"b")]
        assert "".join(shown) == "a日\ufffdb"
        assert shown[1] == ""
        assert "\ufffd" not in shown[0] + shown[1]
    parser = PlainReply(model)
    assert choice(run(parser, [model.token(b"a\xe6")])).text == "a\ufffd"


def logprobs(model: FakeVocabulary, tokens: Sequence[int]) -> list[TokenLogprob]:
    return [
        TokenLogprob(text=model.pieces[token].decode("utf-8", "replace"), data=model.pieces[token], logprob=-index)
        for index, token in enumerate(tokens)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_each_logprob_comes_with_its_text(size: int) -> None:
    model = FakeVocabulary()
    tokens = model.cut("Gr\u00fc\u00dfe aus der N\u00e4he ", [size])
    told = logprobs(model, tokens)
    shown = seen = b""
    for delta in run(PlainReply(model, stops=["Nähe der"]), tokens, told):
        assert isinstance(delta, Text)
        shown += delta.text.encode()
        seen += b"".join(one.data for one in delta.logprobs)
        assert seen.startswith(shown)
        assert len(seen) < len(shown) + size
    assert seen == shown
    assert shown.decode() == "Gr\u00fc\u00dfe aus der N\u00e4he "


def test_logprobs_of_a_stop_text_are_left_out() -> None:
    model = FakeVocabulary()
    tokens = [model.token(data) for data in (b"one", b" tw", b"o E", b"ND", b" x")]
    reply = choice(run(PlainReply(model, stops=["END"]), tokens, logprobs(model, tokens)))
    assert reply.text == "one two "
    assert [one.text for one in reply.logprobs] == ["one", " tw", "o E"]


@pytest.mark.parametrize("pieces", [[b"X", b"X", b"Z"], [b"X", b"X", b"Zz", b"y"], [b"X ", b" <", b"to", b"XZ"]])
@pytest.mark.parametrize("ended", [False, True])
def test_logprobs_wait_for_their_text_in_both_kinds_of_reply(pieces: list[bytes], ended: bool) -> None:
    """What is held back may yet turn out to be a stop text."""
    model = FakeVocabulary()
    tokens = [model.token(data) for data in pieces]
    told = logprobs(model, tokens)
    expected = b"".join(pieces).partition(b"XZ" if ended else b"?")[0]
    last = len([one for at, one in enumerate(told) if len(b"".join(pieces[:at])) < len(expected)])
    for parser in (PlainReply, lambda model, stops: structured(model, Family.HERMES, stops=stops)):
        shown = seen = b""
        for delta in run(parser(model, stops=["XZ"] if ended else ["XZ!"]), tokens, told):
            assert isinstance(delta, Text)
            shown += delta.text.encode()
            seen += b"".join(one.data for one in delta.logprobs)
            assert seen.startswith(shown)
        assert (shown, seen) == (expected, b"".join(pieces[:last]))


def test_logprobs_go_with_reasoning_and_answer_but_not_with_markers_and_calls() -> None:
    model = FakeVocabulary(["<think>", "</think>"])
    tokens = [model.token(b"<think>", special=True), model.token(b"Hm"), model.token(b"</think>", special=True)]
    tokens += [model.token(data) for data in (b"Yes", b".", b"<tool_call>", H_OSLO[11:-12].encode(), b"</tool_call>")]
    deltas = run(structured(model, Family.HERMES), tokens, logprobs(model, tokens))
    by_kind: dict[type, list[str]] = {Text: [], Thinking: []}
    for delta in deltas:
        if isinstance(delta, Text | Thinking):
            by_kind[type(delta)] += [one.text for one in delta.logprobs]
    assert by_kind == {Text: ["Yes", "."], Thinking: ["Hm"]}


def test_every_token_is_counted_once() -> None:
    model = FakeVocabulary()
    tokens = model.cut("Grüße aus der Nähe", [1])
    for parser in (PlainReply(model), structured(model, Family.HERMES)):
        deltas = run(parser, tokens)
        assert sum(delta.tokens for delta in deltas if isinstance(delta, Text)) == len(tokens)


def test_choices_are_numbered() -> None:
    model = FakeVocabulary()
    numbered: list[Any] = run(PlainReply(model, choice=3), model.cut("ab", [1]))
    assert {delta.choice for delta in numbered} == {3}
