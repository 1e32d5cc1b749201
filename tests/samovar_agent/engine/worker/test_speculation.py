"""Prompt-lookup drafts: what is proposed, when it pays, and what it gains on copies and costs on prose."""

import itertools
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.engine.worker.speculation import CostCurve, Drafter

MEASURED = CostCurve({1: 0.0078, 2: 0.016, 4: 0.022, 9: 0.040})
"""A small model on two cores: short drafts lose, long ones win."""
FREE = CostCurve({1: 0.01, 100: 0.01})
"""As on a GPU: more tokens in a step cost nothing."""
WORDS = 2000


def simulate(prompt: Sequence[int], reply: Sequence[int], curve: CostCurve = MEASURED) -> tuple[float, Drafter]:
    """How many times faster `reply` is written than without drafts."""
    drafter = Drafter(curve)
    drafter.accept(prompt)
    seconds, written = 0.0, 0
    while written < len(reply):
        proposal = drafter.draft()
        seconds += curve(1 + len(proposal))
        ahead = reply[written : written + len(proposal)]
        accepted = sum(
            itertools.takewhile(bool, (ours == theirs for ours, theirs in zip(proposal, ahead, strict=False)))
        )
        drafter.verified(len(proposal), accepted)
        new = reply[written : written + accepted + 1]
        drafter.accept(new)
        written += len(new)
    return len(reply) * curve(1) / seconds, drafter


def zipf(chance: random.Random, length: int) -> list[int]:
    """Words as often as in a language, in no order."""
    return chance.choices(range(WORDS), [1 / rank for rank in range(1, WORDS + 1)], k=length)


def prose(chance: random.Random, length: int) -> list[int]:
    """Each two words are followed by one of four, so phrases return and go on otherwise."""
    text, habits = [0, 1], random.Random(7)
    following: dict[tuple[int, int], list[int]] = {}
    while len(text) < length:
        pair = (text[-2], text[-1])
        if pair not in following:
            following[pair] = [
                habits.randrange(60) if habits.random() < 0.6 else habits.randrange(WORDS) for _ in "1234"
            ]
        text += chance.choices(following[pair], [8, 4, 2, 1])
    return text


def edited(chance: random.Random, text: Sequence[int], every: int) -> list[int]:
    """`text` with a word changed, words added or words left out about once in `every`."""
    result: list[int] = []
    at = 0
    while at < len(text):
        if chance.random() >= 1 / every:
            result.append(text[at])
            at += 1
            continue
        kind = chance.randrange(3)
        if kind < 2:
            result += [chance.randrange(WORDS) for _ in range(1 if kind else chance.randint(1, 3))]
        if kind > 0:
            at += 1 if kind == 1 else chance.randint(1, 3)
    return result


def test_the_curve_goes_through_its_points_and_on() -> None:
    assert [MEASURED(size) for size in (1, 2, 4, 9)] == pytest.approx([0.0078, 0.016, 0.022, 0.040])
    assert MEASURED(3) == pytest.approx(0.019)
    assert MEASURED(19) == pytest.approx(0.040 + 10 * 0.0036)


@given(st.dictionaries(st.integers(2, 64), st.floats(1e-4, 1.0), max_size=6), st.floats(1e-4, 1.0))
def test_a_longer_step_never_costs_less(points: dict[int, float], first: float) -> None:
    curve = CostCurve({**points, 1: first})
    costs = [curve(size) for size in range(1, 80)]
    assert all(later >= earlier - 1e-12 for earlier, later in itertools.pairwise(costs))
    assert costs[0] == first


@pytest.mark.parametrize("points", [{}, {2: 0.1}, {1: 0.0}, {1: 0.1, 4: -1.0}, {1: 0.1, 0: 0.1}, {1: float("nan")}])
def test_points_that_cannot_be_costs_are_refused(points: dict[int, float]) -> None:
    with pytest.raises(ValueError, match="cost curve"):
        CostCurve(points)


def test_with_one_point_only_drafts_never_pay() -> None:
    drafter = Drafter(CostCurve({1: 0.01}))
    drafter.accept([1, 2, 3, 4] * 50)
    assert drafter.draft() == []


def test_what_followed_before_is_proposed() -> None:
    drafter = Drafter(FREE, max_draft=4)
    drafter.accept([*range(20), 3, 4, 5, 6])
    assert drafter.draft() == [7, 8, 9, 10]
    drafter.accept([7, 8])
    assert drafter.draft() == [9, 10, 11, 12]


def test_nothing_is_proposed_without_a_match() -> None:
    drafter = Drafter(FREE)
    assert drafter.draft() == []
    drafter.accept([])
    drafter.accept([1])
    drafter.accept(range(2, 50))
    assert drafter.draft() == []


def test_the_longest_match_wins_over_newer_ones() -> None:
    drafter = Drafter(FREE, max_draft=2)
    drafter.accept([1, 2, 3, 4, 5, 60, 61, 9, 3, 4, 5, 70, 71, 9, 1, 2, 3, 4, 5])
    assert drafter.draft() == [60, 61]


def test_the_newest_of_equal_matches_wins() -> None:
    drafter = Drafter(FREE, max_draft=2)
    drafter.accept([8, 3, 4, 5, 60, 61, 9, 3, 4, 5, 70, 71, 10, 3, 4, 5])
    assert drafter.draft() == [70, 71]


def test_a_text_that_repeats_itself_goes_round() -> None:
    drafter = Drafter(FREE, max_draft=8)
    drafter.accept([1, 2, 3, 1, 2, 3])
    assert drafter.draft() == [1, 2, 3, 1, 2, 3, 1, 2]


@pytest.mark.parametrize(
    ("reply", "behind"),
    [([90, 10, 11], 12), ([90, 91, 9, 10], 11), ([11, 12], 13)],
    ids=["changed", "added", "left out"],
)
def test_a_copy_is_taken_up_again_after_a_difference(reply: list[int], behind: int) -> None:
    drafter = Drafter(FREE, max_draft=3)
    drafter.accept([*range(30), 100, 4, 5, 6])
    drafter.accept([7, 8, *reply])
    assert drafter.draft() == [behind, behind + 1, behind + 2]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=60), st.lists(st.integers(0, 3), max_size=30), st.integers(1, 9)
)
def test_every_proposal_continues_an_earlier_occurrence(prompt: list[int], reply: list[int], most: int) -> None:
    drafter = Drafter(FREE, max_draft=most)
    drafter.accept(prompt)
    text = list(prompt)
    for token in [*reply, 0]:
        proposal = drafter.draft()
        assert len(proposal) <= most
        if proposal:
            assert any(
                text[end - 2 : end] == text[-2:] and _around(text[end:], len(proposal)) == proposal
                for end in range(2, len(text))
            )
        drafter.accept([token])
        text.append(token)


def _around(known: Sequence[int], length: int) -> list[int]:
    return list(itertools.islice(itertools.cycle(known), length))


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=20))
def test_tokens_at_once_or_one_by_one_make_no_difference(steps: list[list[int]]) -> None:
    at_once, one_by_one = Drafter(FREE), Drafter(FREE)
    for drafter in (at_once, one_by_one):
        drafter.accept([0, 1, 2, 3, 0, 1, 2])
    for step in steps:
        at_once.accept(step)
        for token in step:
            one_by_one.accept([token])
        assert at_once.draft() == one_by_one.draft()


def test_a_short_draft_that_loses_is_not_made() -> None:
    drafter = Drafter(MEASURED, max_draft=1)
    drafter.accept(list(range(200)) * 2)
    assert drafter.draft() == []


def test_a_long_copy_is_drafted_as_long_as_allowed() -> None:
    drafter = Drafter(MEASURED)
    drafter.accept([*range(200), *range(100)])
    assert len(drafter.draft()) >= 12
    drafter.accept(range(100, 140))
    assert drafter.draft() == list(range(140, 156))


def test_broken_promises_end_the_drafts_and_kept_ones_bring_them_back() -> None:
    chance = random.Random(1)
    phrases = [[chance.randrange(WORDS) for _ in range(4)] for _ in range(40)]
    drafter = Drafter(CostCurve({1: 0.01, 2: 0.0145, 17: 0.03}))
    drafter.accept([token for phrase in phrases for token in phrase])
    chance.shuffle(phrases)
    drafter.accept(phrases[0][:3])
    assert drafter.draft() != []
    for phrase in phrases[1:]:  # each begins as before and goes on otherwise
        drafter.accept([*phrase[:3], WORDS + phrase[0]])
    drafter.accept(phrases[0][:3])
    assert drafter.draft() == []
    for phrase in phrases * 3:
        drafter.accept(phrase)
    assert drafter.draft() != []


def test_other_streams_change_what_pays() -> None:
    first_is_free = CostCurve({1: 0.01, 4: 0.01, 5: 0.2, 64: 10.0})
    drafter = Drafter(first_is_free)
    drafter.accept([*range(200), *range(100)])
    assert len(drafter.draft(1)) == 3
    assert drafter.draft(4) == []
    assert drafter.draft(1, step_tokens=4) == []


def test_a_copy_pays_only_while_it_is_cheaper_than_what_each_stream_gets_anyway() -> None:
    drafter = Drafter(MEASURED)
    drafter.accept([*range(200), *range(100)])
    drafter.accept(range(100, 140))
    assert len(drafter.draft(4)) > 8
    each_its_own = CostCurve({1: 0.010, 2: 0.0105, 3: 0.011, 4: 0.0115, 64: 0.3})
    drafter = Drafter(each_its_own)
    drafter.accept([*range(200), *range(100)])
    assert drafter.draft(1) != []
    assert drafter.draft(4) == []


def test_a_prompt_in_the_same_step_is_not_counted_against_the_draft() -> None:
    drafter = Drafter(MEASURED)
    drafter.accept([*range(200), *range(100)])
    assert len(drafter.draft(1, step_tokens=513)) > 4
    steep = CostCurve({1: 0.01, 16: 0.02, 512: 1.0, 600: 3.0})
    drafter = Drafter(steep)
    drafter.accept([*range(200), *range(100)])
    assert len(drafter.draft(1)) == 15
    assert drafter.draft(1, step_tokens=513) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("every", "least"), [(20, 1.3), (40, 1.38), (100, 1.5), (10_000, 1.8)])
def test_an_edit_is_faster(every: int, least: float, seed: int) -> None:
    chance = random.Random(seed)
    prompt = prose(chance, 800)
    gain, drafter = simulate(prompt, edited(chance, prompt, every))
    assert gain >= least
    assert 0.7 <= drafter.accepted / drafter.proposed <= 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("write", [zipf, prose])
def test_free_prose_is_not_slower(write: Callable[[random.Random, int], list[int]], seed: int) -> None:
    chance = random.Random(seed)
    gain, _ = simulate(write(chance, 800), write(chance, 1500))
    assert gain >= 0.97


@pytest.mark.parametrize("seed", range(5))
def test_a_quotation_within_prose_is_noticed_and_its_end_too(seed: int) -> None:
    chance = random.Random(seed)
    prompt = prose(chance, 800)
    quotation, remarks = prompt[200:600], prose(chance, 400)
    gain, _ = simulate(prompt, remarks + quotation + remarks[::-1])
    alone, _ = simulate(prompt, remarks + remarks[::-1])
    assert gain >= 1.15
    assert alone >= 0.97


def test_a_text_that_goes_round_in_circles_is_faster() -> None:
    chance = random.Random(3)
    gain, _ = simulate(zipf(chance, 200), zipf(chance, 30) * 20)
    assert gain >= 1.7


class Counted(int):
    """A token that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return int.__eq__(self, other)

    __hash__ = int.__hash__


@pytest.mark.parametrize("period", [1, 3, 50])
def test_work_per_token_does_not_grow_with_the_text(period: int) -> None:
    worst = []
    for length in (1_000, 16_000):
        Counted.compared = 0
        drafter = Drafter(MEASURED)
        drafter.accept([Counted(at % period) for at in range(length)])
        for at in range(300):  # every second token breaks the match, so each is searched for
            drafter.accept([Counted(at % period if at % 2 else WORDS)])
            drafter.accept([Counted(token % period) for token in range(3)])
            drafter.draft()
        worst.append(Counted.compared)
    assert worst[1] <= worst[0] * 1.1 + 100
