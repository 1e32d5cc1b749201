import pytest

from samovar_agent.engine.worker.thinking_budget import ThinkingBudget

CLOSING = [101, 102]


def written(pieces: list[str], budget: int, *, begun: bool = False, begin: str = "<think>") -> list[int]:
    """The tokens that are written where the model chooses these pieces, numbered from 0."""
    thinking = ThinkingBudget(budget, begin=begin, end="</think>", closing=CLOSING, begun=begun)
    return [thinking.instead_of(token, piece.encode()) for token, piece in enumerate(pieces)]


def test_reasoning_that_ends_in_time_is_left_alone() -> None:
    pieces = ["<think>", "Hm", ".", "</think>", "Yes", "so"]
    assert written(pieces, 2) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("pieces", "begun", "expected"),
    [
        (["<think>", "a", "b", "c", "d", "e", "f"], False, [0, 1, 2, 101, 102, 5, 6]),
        (["\n", "<th", "ink>", "a", "b", "c", "d", "e"], False, [0, 1, 2, 3, 4, 101, 102, 7]),
        (["a", "b", "c", "d", "e"], True, [0, 1, 101, 102, 4]),
    ],
)
def test_reasoning_that_goes_on_is_ended(pieces: list[str], begun: bool, expected: list[int]) -> None:
    assert written(pieces, 2, begun=begun) == expected


def test_nothing_may_be_thought_at_all() -> None:
    assert written(["<think>", "a", "b", "c"], 0) == [0, 101, 102, 3]
    assert written(["a", "b", "c"], 0, begun=True) == [101, 102, 2]


def test_an_end_in_two_tokens_is_seen() -> None:
    assert written(["a", "</th", "ink>", *"bcdefg"], 2, begun=True) == list(range(9))


def test_a_reply_without_reasoning_is_left_alone() -> None:
    assert written(["Yes", "<think>", *"abcdef"], 2) == list(range(8))


def test_a_fork_counts_by_itself() -> None:
    first = ThinkingBudget(1, begin="<think>", end="</think>", closing=CLOSING, begun=True)
    assert first.instead_of(0, b"a") == 0
    second = first.fork()
    assert [first.instead_of(1, b"b"), first.instead_of(2, b"c"), first.instead_of(3, b"d")] == [101, 102, 3]
    assert [second.instead_of(1, b"b"), second.instead_of(2, b"c")] == [101, 102]
