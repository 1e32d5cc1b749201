"""The reference itself: it repeats itself exactly, and its comparison can fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.samovar_agent.engine.worker.reference import Continuation, Reference
from tests.tiny_models.build import CHAT_KINDS, Kind


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_it_says_the_same_twice_and_goes_on_from_its_own_words(kind: Kind, tiny_model: Callable[[Kind], Path]) -> None:
    prompt = list(range(300, 400))
    with Reference(tiny_model(kind), threads=1) as reference:
        whole = reference.greedy(prompt, 12)
        assert reference.greedy(prompt, 12) == whole
        reference.greedy([*prompt, *whole.tokens[:6]], 6).check(whole.tokens[6:])


@pytest.mark.model
def test_a_real_model_knows_what_it_should(gemma_model: Path) -> None:
    one_two_three_four_five_six = [2, 811, 1156, 1806, 2390, 3493, 3962]
    with Reference(gemma_model) as reference:
        assert reference.greedy(one_two_three_four_five_six, 3).tokens == [6819, 6589, 10155]  # seven eight nine


def test_another_token_is_noticed() -> None:
    expected = Continuation([5, 6, 7], [1.0, 2.0, 0.9])
    expected.check([5, 6, 7])
    with pytest.raises(AssertionError, match=r"token 1 is 9 and not 6, which was ahead by 2\.000"):
        expected.check([5, 9, 7])
    with pytest.raises(AssertionError, match="2 tokens instead of 3"):
        expected.check([5, 6])


def test_after_a_near_tie_anything_may_follow() -> None:
    expected = Continuation([5, 6, 7], [1.0, 0.001, 0.9])
    expected.check([5, 9, 8])
    with pytest.raises(AssertionError, match="token 0"):
        expected.check([4, 9, 8])
