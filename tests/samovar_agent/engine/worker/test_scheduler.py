"""What a step contains, who waits for whom, and who gives way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.engine.worker.scheduler import (
    MIXED_TOKENS,
    SCORED_MIXED_TOKENS,
    SCORED_TOKENS,
    Crowd,
    Leader,
    Share,
    Work,
    crowded,
    due,
    leader,
    plan,
    to_give_way,
)


def test_replies_being_written_come_first_and_prompts_fill_the_rest() -> None:
    work = [Work(1, 1000, due=0.0), Work(2, 1), Work(3, 1)]
    assert plan(work, step_tokens=512, outputs=16) == [Share(2, 1), Share(3, 1), Share(1, MIXED_TOKENS - 2)]


def test_each_token_of_a_scored_prompt_takes_an_output() -> None:
    scored = Work(1, 100, due=0.0, scored=True)
    assert plan([scored], step_tokens=512, outputs=64) == [Share(1, SCORED_TOKENS)]
    assert plan([scored], step_tokens=512, outputs=10) == [Share(1, 10)]
    assert plan([Work(1, 20, scored=True), Work(2, 5, due=1.0)], step_tokens=512, outputs=20) == [
        Share(1, 20),
        Share(2, 4),
    ]
    assert plan([scored, Work(2, 1)], step_tokens=512, outputs=1) == [Share(2, 1)]
    beside = plan([scored, Work(2, 1)], step_tokens=512, outputs=64)
    assert beside == [Share(2, 1), Share(1, SCORED_MIXED_TOKENS)]


@pytest.mark.parametrize(("pending", "expected"), [(700, 511), (800, MIXED_TOKENS - 1)])
def test_a_burst_that_is_soon_over_is_read_in_whole_steps(pending: int, expected: int) -> None:
    assert plan([Work(1, pending), Work(2, 1)], step_tokens=512, outputs=16) == [Share(2, 1), Share(1, expected)]


def test_nobody_waits_longer_for_a_burst_in_the_background() -> None:
    work = [Work(1, 200), Work(2, 1), Work(3, 400, background=True)]
    expected = [Share(2, 1), Share(1, 200), Share(3, MIXED_TOKENS - 201)]
    assert plan(work, step_tokens=512, outputs=16) == expected


def test_a_prompt_alone_gets_the_whole_step() -> None:
    assert plan([Work(1, 1000)], step_tokens=512, outputs=16) == [Share(1, 512)]


def test_prompts_are_computed_one_after_the_other_and_not_side_by_side() -> None:
    work = [Work(1, 400, due=2.0), Work(2, 300, due=1.0), Work(3, 300, due=3.0)]
    assert plan(work, step_tokens=512, outputs=16) == [Share(2, 300), Share(1, 212)]


def test_background_waits_for_interactive_prompts() -> None:
    work = [Work(1, 600, due=0.0, background=True), Work(2, 300, due=9.0)]
    assert plan(work, step_tokens=512, outputs=16) == [Share(2, 300), Share(1, 212)]


def test_a_prompt_stops_where_it_has_to_and_leaves_the_rest_to_others() -> None:
    work = [Work(1, 400, due=1.0, most=100), Work(2, 300, due=2.0)]
    assert plan(work, step_tokens=512, outputs=16) == [Share(1, 100), Share(2, 300)]


def test_a_prompt_that_would_end_without_an_output_left_stops_before_its_last_token() -> None:
    work = [Work(1, 1), Work(2, 1), Work(3, 5)]
    assert plan(work, step_tokens=512, outputs=2) == [Share(1, 1), Share(2, 1), Share(3, 4)]


@given(st.lists(st.tuples(st.integers(1, 700), st.floats(0, 100), st.booleans()), min_size=1, max_size=16))
def test_every_step_moves_on_and_keeps_its_limits(entries: list[tuple[int, float, bool]]) -> None:
    work = [Work(key, *entry) for key, entry in enumerate(entries)]
    shares = plan(work, step_tokens=512, outputs=16)
    pending = {one.key: one.pending for one in work}
    assert shares
    assert len({share.key for share in shares}) == len(shares)
    assert sum(share.tokens for share in shares) <= 512
    assert all(1 <= share.tokens <= pending[share.key] for share in shares)
    assert {one.key for one in work if one.pending == 1} <= {share.key for share in shares}
    assert sum(share.tokens == pending[share.key] for share in shares) <= 16


def test_a_short_prompt_overtakes_a_long_one_but_not_for_ever() -> None:
    book = due(admitted=0.0, tokens=20_000)
    assert due(admitted=10.0, tokens=200) < book
    assert due(admitted=100.0, tokens=200) > book


def test_a_prompt_waits_for_who_computes_the_same_beginning() -> None:
    system = list(range(100))
    running = [(1, [*system, 900, 901], 40), (2, [*system[:50], 800], 0)]
    assert leader([*system, 700, 701], 0, running) == Leader(1, 100)


@pytest.mark.parametrize(
    ("known", "computed", "reason"),
    [(80, 40, "memory has nearly as much"), (0, 100, "all of it is computed already")],
)
def test_a_prompt_does_not_wait_where_that_gains_nothing(known: int, computed: int, reason: str) -> None:
    system = list(range(100))
    assert leader([*system, 700], known, [(1, [*system, 900, 901], computed)]) is None, reason


def test_a_prompt_that_is_the_same_leaves_its_last_token_to_compute() -> None:
    prompt = list(range(100))
    assert leader(prompt, 0, [(1, prompt, 0)]) == Leader(1, 99)


def test_one_client_leaves_places_to_others() -> None:
    assert crowded([("a", False)] * 6 + [("b", False)], places=8) == Crowd({"a"}, background=False)
    assert crowded([("a", False)] * 5 + [("b", False)], places=8) == Crowd(set(), background=False)
    assert crowded([], places=1) == Crowd(set(), background=False)


def test_background_as_a_whole_leaves_places_to_others() -> None:
    assert crowded([("a", True)] * 3 + [("b", True)] * 3, places=8) == Crowd(set(), background=True)
    assert crowded([("a", True)] * 3 + [("b", False)] * 3, places=8) == Crowd(set(), background=False)


def test_who_began_last_gives_way_and_background_before_all() -> None:
    assert to_give_way([(1, False, 1.0), (2, False, 3.0), (3, False, 2.0)]) == 2
    assert to_give_way([(1, True, 1.0), (2, False, 3.0)]) == 1
    assert to_give_way([(1, False, 1.0)]) is None
