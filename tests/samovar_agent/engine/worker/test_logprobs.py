"""The model's own probabilities, against the same computed in Python."""

import math
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.samovar_agent.engine.worker.one_sequence import OneSequence

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def begun(small_model: Path) -> Generator[OneSequence]:
    sequence = OneSequence(small_model)
    sequence.begin("Tell me a story about a river.")
    yield sequence
    sequence.close()


@pytest.mark.parametrize("top", [0, 1, 5, 20])
def test_they_are_the_logarithms_of_the_models_probabilities(begun: OneSequence, top: int) -> None:
    ranked = begun.ranked()
    sampler = begun.sampler(temperature=0.1, top_k=1, logit_bias={ranked[0][0]: -100.0}, repeat_penalty=2.0)
    for place in (0, 3, 1000, 40_000):
        token, share = ranked[place]
        found = sampler.logprobs(begun.pointer, -1, token, top)
        assert found.logprob == pytest.approx(math.log(share), abs=1e-4)
        assert found.data == begun.model.piece(token, special=True)
        assert found.text == found.data.decode("utf-8", "replace")
        assert [one.logprob for one in found.top] == pytest.approx(
            [math.log(share) for _, share in ranked[:top]], abs=1e-4
        )
        assert [one.data for one in found.top] == [begun.model.piece(token, special=True) for token, _ in ranked[:top]]
        assert not any(one.top for one in found.top)
    sampler.close()


def test_asking_for_them_does_not_change_what_is_drawn(begun: OneSequence) -> None:
    plain = begun.draws(20, seed=3)
    sampler = begun.sampler(seed=3)
    tokens = []
    for _ in range(20):
        before = sampler.logprobs(begun.pointer, -1, 5, 3)
        tokens.append(begun.sample(sampler))
        assert sampler.logprobs(begun.pointer, -1, 5, 3) == before
    sampler.close()
    assert tokens == plain


def test_a_sure_model_still_names_as_many_as_were_asked_for(begun: OneSequence) -> None:
    begun.begin("Count from one to ten.", reply="1, 2, 3, 4, 5, 6, 7, 8, 9,")
    ranked = begun.ranked()
    sampler = begun.sampler()
    found = sampler.logprobs(begun.pointer, -1, ranked[0][0], 20)
    sampler.close()
    assert found.logprob == pytest.approx(math.log(ranked[0][1]), abs=1e-4)
    assert len(found.top) == 20
