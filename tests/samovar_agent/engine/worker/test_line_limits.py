"""A reply that ends with its indentation, or with its time."""

from collections.abc import Sequence

import pytest

from samovar_agent.engine.worker.line_limits import LimitedLines
from samovar_agent.engine.worker.reply_parser import PlainReply
from samovar_protocol.values import Text, TokenLogprob
from tests.samovar_agent.engine.worker.fake_vocabulary import FakeVocabulary


def written(text: str, sizes: Sequence[int], *, indent: int) -> tuple[str, str, list[float]]:
    """What is shown of `text`, cut into tokens of so many bytes, why it ended, and whose logprobs were told."""
    vocabulary = FakeVocabulary()
    reply = LimitedLines(PlainReply(vocabulary), indent=indent, seconds=None)
    shown = []
    for number, token in enumerate(vocabulary.cut(text, sizes)):
        shown += reply.feed(token, TokenLogprob(text="", data=b"", logprob=-float(number)))
        if reply.stopped:
            break
    shown += reply.finish()
    assert all(isinstance(delta, Text) for delta in shown)
    texts = [delta for delta in shown if isinstance(delta, Text)]
    logprobs = [-one.logprob for delta in texts for one in delta.logprobs]
    return "".join(delta.text for delta in texts), reply.finish_reason("stop"), logprobs


@pytest.mark.parametrize("sizes", [[1], [2], [3], [5], [1000], [1, 7, 2]], ids=str)
@pytest.mark.parametrize(
    ("text", "shown", "reason"),
    [
        ("a = 1", "a = 1", "stop"),
        ("a = 1\n    b\n    c", "a = 1\n    b\n    c", "stop"),
        ("a = 1\n    b\nc\n    d", "a = 1\n    b", "length"),
        ("a = 1\n    b\n\n    c\n  d", "a = 1\n    b\n\n    c", "length"),
        ("a = 1\n\n\nb", "a = 1", "length"),
        ("\n    a\n   b", "\n    a", "length"),
        ("a\n\t\t\t\tb\r\n\r\n\t\tc", "a\n\t\t\t\tb\r", "length"),
        ("a\n    ", "a\n    ", "stop"),
        ("a\n", "a\n", "stop"),
    ],
)
def test_lines_that_are_indented_less_end_it(text: str, shown: str, reason: str, sizes: list[int]) -> None:
    assert written(text, sizes, indent=4)[:2] == (shown, reason)


def test_each_token_is_counted_once() -> None:
    text, _, logprobs = written("ab\n    cd\n\n    ef", [2], indent=4)
    assert text == "ab\n    cd\n\n    ef"
    assert logprobs == [float(number) for number in range(9)]


@pytest.mark.parametrize(("text", "shown"), [("abcdef", "abcdef"), ("ab\ncdef", "ab\nc"), ("abcdef\ngh", "abcdef\n")])
def test_time_ends_it_once_a_line_is_complete(text: str, shown: str) -> None:
    vocabulary, now = FakeVocabulary(), 0
    reply = LimitedLines(PlainReply(vocabulary), indent=0, seconds=2.5, now=lambda: float(now))
    told = ""
    for now, token in enumerate(vocabulary.cut(text, [1])):  # noqa: B007
        told += "".join(delta.text for delta in reply.feed(token, None) if isinstance(delta, Text))
        if reply.stopped:
            break
    assert told == shown
    assert reply.finish_reason("stop") == ("length" if "\n" in text else "stop")


def test_a_stop_text_ends_it_too() -> None:
    vocabulary = FakeVocabulary()
    reply = LimitedLines(PlainReply(vocabulary, stops=["END"]), indent=2, seconds=9)
    shown = [delta for token in vocabulary.cut("a\n  bENDc", [4]) for delta in reply.feed(token, None)]
    assert reply.stopped
    assert "".join(delta.text for delta in shown if isinstance(delta, Text)) == "a\n  b"
    assert reply.finish_reason("stop") == "stop"
