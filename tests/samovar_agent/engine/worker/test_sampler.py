"""Choosing tokens, on the small model's real scores."""

import math
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from samovar_agent.engine.worker import history
from samovar_agent.engine.worker.candidates import Candidates
from samovar_agent.engine.worker.history import History
from samovar_agent.engine.worker.sampler import SEEDS, Sampler
from samovar_agent.engine.worker.thinking_budget import ThinkingBudget
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Sampling
from tests.samovar_agent.engine.worker.one_sequence import OneSequence

pytestmark = pytest.mark.model

WILD: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


@pytest.fixture(scope="module")
def begun(small_model: Path) -> Generator[OneSequence]:
    sequence = OneSequence(small_model)
    sequence.begin("Tell me a story about a river.")
    yield sequence
    sequence.close()


def one_token(begun: OneSequence, text: str) -> int:
    (token,) = begun.model.tokenize(text, special=False)
    return token


def test_greedy_takes_the_best(begun: OneSequence) -> None:
    best = begun.ranked()[0][0]
    assert set(begun.draws(3, temperature=0)) == {best}
    assert set(begun.draws(50, temperature=1e-30)) == {best}


def test_top_k_keeps_the_k_best(begun: OneSequence) -> None:
    best = {token for token, _ in begun.ranked()[:3]}
    assert set(begun.draws(300, **WILD | {"temperature": 3.0, "top_k": 3})) == best


def test_top_p_keeps_the_fewest_that_make_up_p(begun: OneSequence) -> None:
    kept, total = set(), 0.0
    for token, share in begun.ranked():
        kept.add(token)
        total += share
        if total >= 0.6:
            break
    assert len(kept) > 1
    drawn = set(begun.draws(300, **WILD | {"temperature": 3.0, "top_p": 0.6}))
    assert len(drawn) > 1
    assert drawn <= kept


def test_min_p_keeps_what_is_near_the_best(begun: OneSequence) -> None:
    ranked = begun.ranked()
    kept = {token for token, share in ranked if share >= ranked[0][1] * 0.1}
    drawn = set(begun.draws(300, **WILD | {"temperature": 3.0, "min_p": 0.1}))
    assert len(drawn) > 1
    assert drawn <= kept


def test_typical_p_keeps_what_is_about_as_likely_as_was_to_be_expected(begun: OneSequence) -> None:
    ranked = begun.ranked()
    entropy = -math.fsum(share * math.log(share) for _, share in ranked if share)
    kept, total = set(), 0.0
    for token, share in sorted(ranked, key=lambda one: abs(-math.log(one[1] or 1e-300) - entropy)):
        kept.add(token)
        total += share
        if total > 0.3:
            break
    drawn = set(begun.draws(300, **WILD | {"temperature": 3.0, "typical_p": 0.3}))
    assert len(drawn) > 1
    assert drawn <= kept
    assert ranked[0][0] not in kept, "or top_p would do the same"


def test_a_temperature_of_one_draws_as_the_model_thinks(begun: OneSequence) -> None:
    (best, share), *_ = begun.ranked()
    count = 1000
    drawn = Counter(begun.draws(count, **WILD))[best] / count
    assert abs(drawn - share) < 4 * (share * (1 - share) / count) ** 0.5


def test_a_higher_temperature_draws_more_kinds(begun: OneSequence) -> None:
    few, many = (len(set(begun.draws(100, **WILD | {"temperature": heat}))) for heat in (0.3, 2.0))
    assert few < many


def test_the_same_seed_draws_the_same_and_others_do_not(begun: OneSequence) -> None:
    first = begun.draws(20, seed=7)
    assert first == begun.draws(20, seed=7)
    assert first != begun.draws(20, seed=8)
    drawn = begun.sampler(), begun.sampler()
    assert drawn[0].seed != drawn[1].seed
    for sampler in drawn:
        again = begun.draws(10, seed=sampler.seed)
        assert [begun.sample(sampler) for _ in range(10)] == again
        sampler.close()


def test_a_fork_goes_on_from_the_same_place_with_another_seed(begun: OneSequence) -> None:
    sampler = begun.sampler(seed=SEEDS - 2, repeat_penalty=1.3, dry_multiplier=0.8, logit_bias={5: 1.0})
    fork = sampler.fork(1)
    assert fork.seed == SEEDS - 1
    assert sampler.fork(2).seed == 0
    fresh = begun.sampler(seed=fork.seed, repeat_penalty=1.3, dry_multiplier=0.8, logit_bias={5: 1.0})
    tokens = [begun.sample(sampler) for _ in range(20)]
    sampler.close()
    assert [begun.sample(fork) for _ in range(20)] == [begun.sample(fresh) for _ in range(20)] != tokens


def test_a_repeated_token_is_penalised_as_far_back_as_was_asked(begun: OneSequence) -> None:
    best = begun.ranked()[0][0]
    filler = one_token(begun, " the")

    def chosen(prompt: list[int], **sampling: Any) -> int:
        return begun.draws(1, temperature=0, prompt=prompt, **sampling)[0]

    assert chosen([best], repeat_penalty=1.0) == best
    assert chosen([best], repeat_penalty=100.0) != best
    assert chosen([best], repeat_penalty=100.0, repeat_last_n=0) == best
    assert chosen([best, filler], repeat_penalty=100.0, repeat_last_n=1) == best
    far = [best] + [filler] * 100
    assert chosen(far, repeat_penalty=100.0) == best
    assert chosen(far, repeat_penalty=100.0, repeat_last_n=-1) != best
    assert chosen(far, repeat_penalty=100.0, repeat_last_n=100_000_000) != best


def test_presence_counts_once_and_frequency_each_time(begun: OneSequence) -> None:
    scores = begun.scores()
    first, second = (token for token, _ in begun.ranked()[:2])
    gap = scores[first] - scores[second]
    assert 0 < gap < 1.9

    def chosen(count: int, **sampling: Any) -> int:
        return begun.draws(1, temperature=0, prompt=[first] * count, **sampling)[0]

    assert chosen(9, presence_penalty=gap - 0.01) == first
    assert chosen(1, presence_penalty=gap + 0.01) == second
    assert chosen(1, frequency_penalty=gap - 0.01) == first
    assert chosen(2, frequency_penalty=gap - 0.01) == second


def test_what_is_sampled_is_penalised_next(begun: OneSequence) -> None:
    tokens = begun.draws(12, temperature=0, frequency_penalty=2.0, repeat_penalty=1.5)
    assert len(set(tokens)) > 3


def test_the_penalties_are_the_same_for_few_tokens_and_for_many(
    begun: OneSequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few are handed to llama.cpp apart from the rest; it must not notice."""
    prompt = begun.prompt * 3 + [token for token, _ in begun.ranked()[:40]]
    sampling = Sampling(repeat_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.2, dry_multiplier=0.8)
    candidates = Candidates.of(begun.model)
    found: list[list[float]] = []
    for few in (history.FEW, 0):
        monkeypatch.setattr(history, "FEW", few)
        penalties = History.of(begun.model, sampling, prompt, 512)
        assert penalties is not None

        def look(array: Any, penalties: History = penalties) -> None:
            penalties.apply(array)
            found.append([*candidates.scores(array)[1::3]])

        candidates.visit(begun.pointer, -1, look)
        penalties.close()
    assert found[0] == found[1] != begun.scores()


def test_dry_stops_a_sequence_from_going_on_as_before(begun: OneSequence) -> None:
    best = begun.ranked()[0][0]
    words = begun.model.tokenize(" one two three four five six", special=False)
    repeating = [*words, best, *words]

    def chosen(prompt: list[int], **sampling: Any) -> int:
        return begun.draws(1, temperature=0, prompt=prompt, dry_base=4.0, **sampling)[0]

    assert chosen(repeating, dry_multiplier=0.0) == best
    assert chosen(repeating, dry_multiplier=2.0) != best
    assert chosen(words, dry_multiplier=2.0) == best
    assert chosen(repeating, dry_multiplier=2.0, dry_penalty_last_n=len(words)) == best
    assert chosen(repeating, dry_multiplier=2.0, dry_allowed_length=len(words) + 1) == best
    assert chosen(repeating, dry_multiplier=2.0, dry_sequence_breakers=[" six"]) == best
    assert chosen(repeating, dry_multiplier=2.0, dry_sequence_breakers=[]) != best


def test_dry_begins_anew_and_quickly_with_settings_that_are_known(
    begun: OneSequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []
    init = begun.model.llama.llama_sampler_init_dry

    def counted(vocabulary: Any, multiplier: float, *others: Any) -> Any:
        made.append(multiplier)
        return init(vocabulary, multiplier, *others)

    monkeypatch.setattr(begun.model.llama, "llama_sampler_init_dry", counted)
    words = begun.model.tokenize(" one two three four five six", special=False)
    best = begun.ranked()[0][0]
    for _ in range(3):
        assert begun.draws(1, temperature=0, prompt=[*words, best, *words], dry_multiplier=2.5, dry_base=4.0) != [best]
        assert begun.draws(1, temperature=0, prompt=words, dry_multiplier=2.5, dry_base=4.0) == [best]
    assert made == [2.5]
    for multiplier in range(3, 12):
        begun.draws(1, dry_multiplier=multiplier)
    begun.draws(1, dry_multiplier=2.5, dry_base=4.0)
    assert made[-1] == 2.5, "only the newest are kept"


def test_a_bias_forces_and_forbids(begun: OneSequence) -> None:
    best, second = (token for token, _ in begun.ranked()[:2])
    last = begun.model.vocabulary_size - 1
    assert begun.draws(1, temperature=0, logit_bias={best: -100.0}) == [second]
    assert set(begun.draws(20, logit_bias={last: 100.0})) == {last}
    assert best not in begun.draws(100, **WILD | {"logit_bias": {best: -100.0}})


@pytest.mark.parametrize("token", [-1, 1_000_000])
def test_a_bias_of_a_token_that_does_not_exist_is_refused(begun: OneSequence, token: int) -> None:
    with pytest.raises(SamovarError) as caught:
        begun.sampler(logit_bias={token: 1.0})
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert str(token) in caught.value.failure.message


def test_ignore_eos_forbids_every_end_whatever_its_bias(begun: OneSequence) -> None:
    ends = begun.model.end_tokens
    wanted = dict.fromkeys(ends, 100.0)
    assert set(begun.draws(20, logit_bias=wanted)) <= ends
    assert not set(begun.draws(20, logit_bias=wanted, ignore_eos=True)) & ends


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 100.0},
        {"temperature": 2e-5, "repeat_penalty": 1e-300},
        {"temperature": 1e-300},
        {"repeat_penalty": 100.0, "presence_penalty": -2.0, "frequency_penalty": -2.0},
        {"top_k": 1, "top_p": 0.0, "min_p": 1.0, "typical_p": 0.0},
        {"top_k": 1_000_000, "typical_p": 0.5, "logit_bias": {5: -100.0, 6: 100.0}},
        {"top_k": 0, "top_p": 1.0, "min_p": 1e-300, "typical_p": 0.999, "temperature": 100.0},
        {"dry_multiplier": 100.0, "dry_base": 100.0, "dry_allowed_length": 0},
        {"dry_multiplier": 1.0, "dry_sequence_breakers": ["\0", "\ud800", "é" * 40]},
    ],
)
def test_numbers_at_their_limits(begun: OneSequence, sampling: dict[str, Any]) -> None:
    tokens = begun.draws(20, prompt=begun.prompt * 2, **sampling)
    assert all(0 <= token < begun.model.vocabulary_size for token in tokens)


NUMBERS = [name for name, value in msgspec.structs.asdict(Sampling()).items() if isinstance(value, float)]


@pytest.mark.parametrize("name", [*NUMBERS, "logit_bias"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_comes_here(name: str, number: float) -> None:
    """JSON cannot hold it, but the control socket's encoding can."""
    sent = msgspec.msgpack.encode({name: {5: number} if name == "logit_bias" else number})
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(sent, type=Sampling)


def test_closing_many_leaves_the_others_alone(begun: OneSequence) -> None:
    kept = begun.sampler(temperature=0)
    for _ in range(20):
        begun.sampler(temperature=0, repeat_penalty=1.1).close()
        begun.sampler().close()
    assert begun.sample(kept) == begun.ranked()[0][0]


def test_an_error_while_looking_at_the_scores_is_not_lost(begun: OneSequence) -> None:
    def fail(array: Any) -> None:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        Candidates.of(begun.model).visit(begun.pointer, -1, fail)
    assert begun.draws(1, temperature=0) == [begun.ranked()[0][0]]


def test_reasoning_that_takes_too_long_is_ended(begun: OneSequence) -> None:
    closing = begun.model.tokenize(" So:", special=False)
    thinking = ThinkingBudget(2, begin="<think>", end=" So:", closing=closing, begun=True)
    sampler = Sampler(begun.model, Sampling(temperature=0), begun.prompt, thinking=thinking)
    best = begun.ranked()[0][0]
    tokens = [begun.sample(sampler) for _ in range(len(closing) + 4)]
    sampler.close()
    assert tokens == [best, best, *closing, best, best]
