"""The prefix cache over a memory that is written down: which token lies in which cell, and who sees it."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from samovar_agent.engine.worker.prefix_cache import PrefixCache

CELLS, SEQUENCES = 24, 4


class Cells:
    """A memory like llama.cpp's unified one. - can_share, can_rewind: what windows and recurrent models cannot."""

    def __init__(self, *, can_share: bool = True, can_rewind: bool = True) -> None:
        self.held: dict[int, list[tuple[int, int]]] = {}
        self.can_share, self.can_rewind = can_share, can_rewind
        self._number = 0

    @property
    def used(self) -> int:
        return len({cell for cells in self.held.values() for cell, _ in cells})

    def tokens(self, sequence: int) -> list[int]:
        return [token for _, token in self.held.get(sequence, [])]

    def compute(self, sequence: int, tokens: list[int]) -> None:
        for token in tokens:
            self._number += 1
            self.held.setdefault(sequence, []).append((self._number, token))

    def intact(self, sequence: int, length: int) -> bool:
        return self.can_rewind or length == len(self.held.get(sequence, []))

    def share(self, source: int, target: int, length: int) -> bool:
        assert not self.held.get(target)
        if self.can_share:
            self.held[target] = self.held[source][:length]
        return self.can_share

    def truncate(self, sequence: int, length: int) -> bool:
        if self.can_rewind or length == len(self.held.get(sequence, [])):
            del self.held.setdefault(sequence, [])[length:]
            return True
        return False

    def forget(self, sequence: int) -> None:
        self.held.pop(sequence, None)


def run(cache: PrefixCache, memory: Cells, tokens: list[int]) -> tuple[int, int]:
    begun = cache.begin(tokens)
    assert begun is not None
    sequence, known = begun
    assert cache.make_room(len(tokens) - known)
    memory.compute(sequence, tokens[known:])
    cache.computed(sequence, tokens[known:])
    return sequence, known


def test_a_running_prompt_is_shared_by_the_next() -> None:
    memory = Cells()
    cache = PrefixCache(memory, cells=CELLS, sequences=SEQUENCES)
    one, known = run(cache, memory, [1, 2, 3, 4])
    assert known == 0
    two, known = run(cache, memory, [1, 2, 3, 9])
    assert known == 3
    assert (one != two, memory.used) == (True, 5)


def test_a_conversation_goes_on_where_it_was() -> None:
    memory = Cells()
    cache = PrefixCache(memory, cells=CELLS, sequences=SEQUENCES)
    first, _ = run(cache, memory, [1, 2, 3])
    cache.end(first)
    again, known = run(cache, memory, [1, 2, 3, 4, 5])
    assert (again, known) == (first, 3)


def test_the_last_token_is_always_computed() -> None:
    memory = Cells()
    cache = PrefixCache(memory, cells=CELLS, sequences=SEQUENCES)
    cache.end(run(cache, memory, [1, 2, 3])[0])
    assert cache.known([1, 2, 3]) == 2
    assert run(cache, memory, [1, 2, 3])[1] == 2


def test_what_was_used_longest_ago_goes_first() -> None:
    memory = Cells()
    cache = PrefixCache(memory, cells=10, sequences=SEQUENCES)
    for start in (10, 20):
        cache.end(run(cache, memory, [start, start + 1, start + 2, start + 3])[0])
    cache.end(run(cache, memory, [10, 11, 7])[0])  # the older one is used again
    cache.end(run(cache, memory, [30, 31, 32])[0])
    assert cache.known([10, 11, 12, 13, 0]) == 4
    assert cache.known([20, 21, 22, 23, 0]) == 0


def test_running_sequences_are_never_evicted() -> None:
    memory = Cells()
    cache = PrefixCache(memory, cells=6, sequences=SEQUENCES)
    run(cache, memory, [1, 2, 3, 4])
    assert cache.begin([5, 6, 7]) is not None
    assert not cache.make_room(3)
    assert cache.make_room(2)


def test_with_all_sequences_running_there_is_none_to_give() -> None:
    memory = Cells()
    cache = PrefixCache(memory, cells=CELLS, sequences=2)
    run(cache, memory, [1])
    run(cache, memory, [2])
    assert cache.begin([3]) is None


@pytest.mark.parametrize("can_rewind", [True, False])
def test_a_memory_that_cannot_share_is_still_right(can_rewind: bool) -> None:
    memory = Cells(can_share=False, can_rewind=can_rewind)
    cache = PrefixCache(memory, cells=CELLS, sequences=SEQUENCES)
    first, _ = run(cache, memory, [1, 2, 3, 4])
    cache.end(first)
    sequence, known = run(cache, memory, [1, 2, 8])
    assert known == (2 if can_rewind else 0)
    assert memory.tokens(sequence) == [1, 2, 8]
    cache.end(sequence)
    assert run(cache, memory, [1, 2, 8, 9])[1] == 3, "going on where it was needs neither"


class Requests(RuleBasedStateMachine):
    """However requests come and go, each sees exactly its own tokens, and the memory is never overfull."""

    @rule(can_share=st.booleans(), can_rewind=st.booleans())
    @precondition(lambda self: not hasattr(self, "cache"))
    def start(self, can_share: bool, can_rewind: bool) -> None:
        self.memory = Cells(can_share=can_share, can_rewind=can_rewind)
        self.cache = PrefixCache(self.memory, cells=CELLS, sequences=SEQUENCES)
        self.running: dict[int, list[int]] = {}

    @precondition(lambda self: hasattr(self, "cache"))
    @rule(tokens=st.lists(st.integers(0, 1), min_size=1, max_size=8))
    def begin(self, tokens: list[int]) -> None:
        begun = self.cache.begin(tokens)
        if begun is None:
            assert len(self.running) == SEQUENCES
            return
        sequence, known = begun
        assert sequence not in self.running
        assert known < len(tokens)
        if self.cache.make_room(len(tokens) - known):
            self.memory.compute(sequence, tokens[known:])
            self.cache.computed(sequence, tokens[known:])
            self.running[sequence] = tokens
        else:
            self.cache.end(sequence)

    @precondition(lambda self: bool(getattr(self, "running", None)))
    @rule(data=st.data(), keep=st.booleans())
    def end(self, data: st.DataObject, keep: bool) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[sequence]
        self.cache.end(sequence, keep=keep)

    @precondition(lambda self: bool(getattr(self, "running", None)))
    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.running)))
        length = data.draw(st.integers(0, len(self.running[sequence])))
        if self.cache.rewind(sequence, length):
            self.running[sequence] = self.running[sequence][:length]

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "cache"):
            assert self.memory.used == self.cache.used <= CELLS
            for sequence, tokens in self.running.items():
                assert self.memory.tokens(sequence) == tokens


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
