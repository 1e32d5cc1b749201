import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.engine.worker.text import TextStream


def run(parts: list[bytes], stops: list[str]) -> tuple[str, bool]:
    stream = TextStream(stops)
    text = "".join(map(stream.feed, parts)) + stream.finish()
    return text, stream.stopped


def split_everywhere(data: bytes, stops: list[str]) -> set[tuple[str, bool]]:
    """What comes out for every split into two, and byte by byte."""
    results = {run([data[:cut], data[cut:]], stops) for cut in range(len(data) + 1)}
    return results | {run([bytes([byte]) for byte in data], stops)}


@pytest.mark.parametrize("text", ["", "plain", "Grüße", "日本語", "👩‍👩‍👧 family", "e\u0301"])
def test_characters_come_whole_wherever_they_are_split(text: str) -> None:
    assert split_everywhere(text.encode(), []) == {(text, False)}
    stream = TextStream()
    for byte in text.encode():
        assert "\ufffd" not in stream.feed(bytes([byte]))


def test_invalid_bytes_become_the_replacement_character() -> None:
    assert split_everywhere(b"a\xff\xc3(b", []) == {("a\ufffd\ufffd(b", False)}


def test_half_a_character_at_the_end_is_not_lost_in_silence() -> None:
    assert run([b"ab\xe6\x97"], []) == ("ab\ufffd", False)


@pytest.mark.parametrize(
    ("text", "stops", "shown"),
    [
        ("one END two", ["END"], "one "),
        ("END", ["END"], ""),
        ("almost EN", ["END"], "almost EN"),
        ("ENEND", ["END"], "EN"),
        ("aaab", ["aab"], "a"),
        ("x\n\ny", ["\n\n", "\n"], "x"),
        ("abcd", ["abcd", "bc"], "a"),
        ("größer als", ["ößer"], "gr"),
        ("日本語です", ["語"], "日本"),
        ("nothing here", ["zzz", "hero"], "nothing here"),
    ],
)
def test_stops_at_every_split(text: str, stops: list[str], shown: str) -> None:
    stopped = shown != text
    assert split_everywhere(text.encode(), stops) == {(shown, stopped)}


def test_a_partial_stop_never_shows() -> None:
    stream = TextStream(["<|end|>"])
    shown = "".join(stream.feed(bytes([byte])) for byte in b"fine <|end|> hidden")
    assert shown == "fine "
    assert stream.stopped
    assert stream.feed(b"more") == ""


def test_it_says_which_stop_text_it_was() -> None:
    stream = TextStream(["river", "sea", "se"])
    assert stream.found is None
    stream.feed(b"to the s")
    stream.feed(b"ea by the river")
    assert stream.found == "se", "the first that was complete"


def test_what_only_looked_like_a_stop_comes_at_once_when_it_is_none() -> None:
    stream = TextStream(["<|end|>"])
    assert stream.feed(b"a <|en") == "a "
    assert stream.feed(b"try") == "<|entry"


@given(st.text(alphabet="ab\u00e9", max_size=12), st.lists(st.text("ab\u00e9", min_size=1, max_size=3), max_size=3))
def test_the_split_makes_no_difference(text: str, stops: list[str]) -> None:
    results = split_everywhere(text.encode(), stops)
    assert len(results) == 1
    shown, stopped = results.pop()
    assert text.startswith(shown)
    assert stopped == any(stop in text for stop in stops)
    assert not any(stop in shown for stop in stops)
