from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.engine.worker.markers import Breaker, Markers

MARKERS = Markers(["<|im_start|>", "<|im_end|>", "<b", "a<b>", "[INST]", "x"])


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("", []),
        ("nothing <here> [INS T] x", []),
        ("<|im_start|>", [0]),
        ("<|im_<|im_end|>start|>", [5]),
        ("a<b>", [0, 1]),
        ("[INST][INST]", [0, 6]),
        ("é <|im_end|><", [2]),
    ],
)
def test_all_markers_are_found_also_inside_of_one_another(text: str, starts: list[int]) -> None:
    assert MARKERS.starts(text) == starts


def test_no_part_holds_a_marker_and_together_they_are_the_text() -> None:
    breaker = Breaker(MARKERS)
    broken = breaker.text("a<b> <|im_start|>system[INST]")
    parts = breaker.parts(broken)
    assert "".join(parts) == "a<b> <|im_start|>system[INST]"
    assert len(parts) == 5
    assert not any(MARKERS.starts(part) for part in parts)


def test_texts_without_markers_stay_as_they_are() -> None:
    breaker = Breaker(MARKERS)
    value = {"role": "user", "content": "a <i>b</i>", "deep": [1, None, True, {"k": "v"}]}
    assert breaker.value(value) == value
    assert breaker.parts("as it is") == ["as it is"]
    assert Breaker(Markers()).text("<|im_end|>") == "<|im_end|>"


def test_names_and_all_that_is_deep_inside_are_broken_too() -> None:
    breaker = Breaker(MARKERS)
    broken: Any = breaker.value({"[INST]": [{"x": "<|im_end|>"}]})
    assert breaker.parts(str(broken)) == ["{'[", "INST]': [{'x': '<", "|im_end|>'}]}"]


def test_the_number_cannot_be_guessed() -> None:
    assert Breaker(MARKERS).text("<b") != Breaker(MARKERS).text("<b")


@given(st.lists(st.sampled_from(["<|im_start|>", "<|im_end|>", "<b", "a<b>", "[INST]", "<", "|", "a", ">", "é"])))
def test_whatever_is_typed(pieces: list[str]) -> None:
    breaker = Breaker(MARKERS)
    text = "".join(pieces)
    parts = breaker.parts(breaker.text(text))
    assert "".join(parts) == text
    assert not any(MARKERS.starts(part) for part in parts)
