"""What is remembered beside the model's memory, and what has to go."""

from __future__ import annotations

from samovar_agent.engine.worker.attic import Attic


def test_the_prefix_that_shares_most_is_found() -> None:
    attic = Attic(1000)
    attic.put([1, 2, 3, 4], b"a")
    attic.put([1, 2, 9, 9, 9], b"b")
    found = attic.nearest([1, 2, 3, 7])
    assert found is not None
    assert (found[0].state, found[1]) == (b"a", 3)
    assert attic.nearest([5]) is None


def test_a_longer_prefix_takes_the_place_of_what_it_contains() -> None:
    attic = Attic(1000)
    attic.put([1, 2], b"short")
    attic.put([1, 2, 3], b"long")
    assert [parked.state for parked in attic.all()] == [b"long"]
    attic.put([1, 2], b"short again")
    assert [parked.state for parked in attic.all()] == [b"long"]


def test_what_was_used_longest_ago_goes_first() -> None:
    attic = Attic(10)
    assert attic.put([1], b"12345") == []
    assert attic.put([2], b"12345") == []
    assert [parked.tokens for parked in attic.put([3], b"123")] == [[1]]
    assert [parked.tokens for parked in attic.put([4], b"x" * 11)] == [[2], [3], [4]]
    assert attic.all() == []


def test_what_is_in_the_models_memory_again_is_given_away() -> None:
    attic = Attic(10)
    attic.put([1, 2, 3], b"1")
    found = attic.nearest([1, 2, 3, 4])
    assert found is not None
    attic.take(found[0])
    assert attic.nearest([1, 2, 3, 4]) is None
