"""The prefix tree against the plain truth: a list of tokens for each sequence."""

import sys

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from samovar_agent.engine.worker.prefix_tree import Match, PrefixTree, shared_prefix

TOKENS = st.lists(st.integers(0, 2), max_size=6)


def test_what_is_common_is_held_once() -> None:
    tree = PrefixTree()
    tree.extend(0, [1, 2, 3])
    assert tree.longest([1, 2, 9]) == Match(2, 0)
    tree.share(0, 1, 2)
    tree.extend(1, [9])
    assert tree.tokens == 4
    assert (tree.in_common(0, [1]), tree.in_common(1, [0]), tree.in_common(1, [])) == (2, 2, 0)
    tree.remove(0)
    assert tree.tokens == 3
    assert tree.longest([1, 2, 9, 9]) == Match(3, 1)


def test_tokens_that_were_computed_twice_count_twice() -> None:
    tree = PrefixTree()
    tree.extend(0, [1, 2])
    tree.extend(1, [1, 2, 3])
    assert tree.tokens == 5
    assert tree.longest([1, 2, 3]) == Match(3, 1)


class Truth(RuleBasedStateMachine):
    """Any order of operations leaves the tree telling what a list for each sequence would tell."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = PrefixTree()
        self.held: dict[int, list[int]] = {}
        self.cells: dict[int, list[int]] = {}  # a number for each computed token; shared ones are the same number
        self.next_cell = 0

    @rule(sequence=st.integers(0, 4), tokens=TOKENS)
    def extend(self, sequence: int, tokens: list[int]) -> None:
        self.tree.extend(sequence, tokens)
        self.held.setdefault(sequence, []).extend(tokens)
        for _ in tokens:
            self.cells.setdefault(sequence, []).append(self.next_cell)
            self.next_cell += 1
        self.cells.setdefault(sequence, [])

    @precondition(lambda self: self.held)
    @rule(data=st.data(), newcomer=st.integers(0, 4))
    def share(self, data: st.DataObject, newcomer: int) -> None:
        if newcomer in self.held:
            return
        source = data.draw(st.sampled_from(sorted(self.held)))
        length = data.draw(st.integers(0, len(self.held[source])))
        self.tree.share(source, newcomer, length)
        self.held[newcomer] = self.held[source][:length]
        self.cells[newcomer] = self.cells[source][:length]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.held)))
        length = data.draw(st.integers(0, len(self.held[sequence])))
        self.tree.truncate(sequence, length)
        del self.held[sequence][length:], self.cells[sequence][length:]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.held)))
        self.tree.remove(sequence)
        del self.held[sequence], self.cells[sequence]

    @rule(tokens=TOKENS)
    def longest(self, tokens: list[int]) -> None:
        match = self.tree.longest(tokens)
        assert match.length == max((plain(held, tokens) for held in self.held.values()), default=0)
        if match.holder is None:
            assert match.length == 0
        else:
            assert self.held[match.holder][: match.length] == tokens[: match.length]

    @rule(tokens=TOKENS, among=st.sets(st.integers(0, 4)))
    def longest_among(self, tokens: list[int], among: set[int]) -> None:
        match = self.tree.longest(tokens, among=among)
        assert match.length == max((plain(self.held[one], tokens) for one in among & self.held.keys()), default=0)
        assert match.holder is None or match.holder in among

    @rule(tokens=TOKENS)
    def complete(self, tokens: list[int]) -> None:
        whole = [(len(held), one) for one, held in self.held.items() if held and held == tokens[: len(held)]]
        matches = self.tree.complete(tokens)
        assert sorted(matches) == sorted(whole)
        assert [match.length for match in matches] == sorted((length for length, _ in whole), reverse=True)

    @invariant()
    def tells_the_truth(self) -> None:
        assert self.tree.tokens == len({cell for cells in self.cells.values() for cell in cells})
        for sequence, held in self.held.items():
            assert self.tree.path(sequence) == held
            assert self.tree.length(sequence) == len(held)
            others = {cell for other, cells in self.cells.items() if other != sequence for cell in cells}
            assert self.tree.in_common(sequence, self.held.keys() - {sequence}) == len(
                set(self.cells[sequence]) & others
            )


def plain(left: list[int], right: list[int]) -> int:
    return next(
        (n for n, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), min(len(left), len(right))
    )


TestTruth = Truth.TestCase
TestTruth.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_shared_prefix_is_the_plain_one() -> None:
    import random

    rng = random.Random(0)
    for _ in range(2000):
        left = [rng.randrange(2) for _ in range(rng.randrange(12))]
        right = [rng.randrange(2) for _ in range(rng.randrange(12))]
        assert shared_prefix(left, right) == plain(left, right)
        start = rng.randrange(len(right) + 1)
        assert shared_prefix(left, right, start) == plain(left, right[start:])
    long = list(range(sys.getrecursionlimit() * 10))
    assert shared_prefix(long, [*long[:-1], -1]) == len(long) - 1
