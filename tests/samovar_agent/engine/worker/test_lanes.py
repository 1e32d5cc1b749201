from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker import lanes
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.lanes import SHARED_TOKENS, Lanes
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.pooled_context import STEP_TEXTS
from samovar_protocol import FailureCode, SamovarError
from tests.tiny_models.build import Kind, build

Opener = Callable[..., Lanes]


@pytest.fixture
def open_lanes(tmp_path: Path) -> Iterator[Opener]:
    opened: list[tuple[Lanes, Model]] = []

    def open_(kind: Kind = "bert-mean", *, threads: int, context: int = 512) -> Lanes:
        path = str(build(kind, tmp_path))
        model = Model(path, Interrupt(), lambda _: None)
        options = LoadOptions(path=path, context_length=context, threads=threads)
        opened.append((Lanes(model, options, Interrupt()), model))
        return opened[-1][0]

    yield open_
    for some, model in opened:
        some.close()
        model.close()


class Spy:
    """Stands where a context does; tells what it was given. - fails: instead of computing."""

    def __init__(self, fails: bool = False) -> None:
        self.calls: list[tuple[list[int], int]] = []
        self.interrupted = False
        self._fails = fails

    def compute(self, texts: list[list[int]], threads: int, poll: Callable[[], None]) -> list[list[float]] | None:
        if self._fails:
            raise SamovarError(FailureCode.INTERNAL, "It failed.")
        self.calls.append(([len(text) for text in texts], threads))
        return None if self.interrupted else [[float(len(text))] for text in texts]

    def close(self) -> None:
        pass


def spied(some: Lanes, *spies: Spy) -> None:
    for context in some._contexts:
        context.close()
    some._contexts = list(spies)  # type: ignore[arg-type]


def run(some: Lanes, lengths: list[int]) -> dict[int, list[float]]:
    texts = [[100] * length for length in lengths]
    groups = some.groups(lengths)
    rows: dict[int, list[float]] = {}
    while groups:
        rows.update(some.step(groups, texts))
    return rows


def test_each_text_gets_into_one_group_and_no_group_gets_too_large(open_lanes: Opener) -> None:
    some = open_lanes(threads=1)
    lengths = [1] * 200 + [SHARED_TOKENS, SHARED_TOKENS + 1, 500, 65, 65, 60, 7]
    groups = some.groups(lengths)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) <= STEP_TEXTS
        assert len(group) == 1 or sum(lengths[index] for index in group) <= SHARED_TOKENS
    assert len(groups) <= 10
    assert lengths[groups[-1][0]] == 500
    assert some.groups([]) == []


def test_a_recurrent_model_computes_each_text_alone(open_lanes: Opener) -> None:
    assert open_lanes("mamba", threads=2).groups([3, 3, 3]) == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("kind", "threads", "count"),
    [("bert-mean", 1, 1), ("bert-mean", 2, 2), ("bert-rank", 9, 4), ("qwen3-last", 4, 1), ("llama", 4, 1)],
)
def test_encoders_have_a_lane_for_each_core(open_lanes: Opener, kind: Kind, threads: int, count: int) -> None:
    assert len(open_lanes(kind, threads=threads)._contexts) == count


def test_lanes_share_the_threads_and_the_texts(open_lanes: Opener) -> None:
    some = open_lanes(threads=9)
    spies = [Spy(), Spy(), Spy(), Spy()]
    spied(some, *spies)
    lengths = [100 + number for number in range(40)]
    assert run(some, lengths) == {index: [float(length)] for index, length in enumerate(lengths)}
    computed = [call for spy in spies for call in spy.calls]
    assert sorted(length for texts, _ in computed for length in texts) == lengths
    assert {threads for _, threads in computed} <= {2, 9}


def test_long_texts_and_the_last_one_get_all_threads(open_lanes: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LANE_TOKENS", 200)
    some = open_lanes(threads=2)
    first, second = Spy(), Spy()
    spied(some, first, second)
    rows = run(some, [201, 150, 300, 150, 150])
    assert set(rows) == {0, 1, 2, 3, 4}
    assert first.calls[:2] == [([300], 2), ([201], 2)]
    assert all(length <= 200 for texts, _ in second.calls for length in texts)


def test_what_was_interrupted_is_computed_again(open_lanes: Opener) -> None:
    some = open_lanes(threads=2)
    spies = [Spy(), Spy()]
    spied(some, *spies)
    lengths = [150] * 6
    texts = [[100] * length for length in lengths]
    groups = some.groups(lengths)
    for spy in spies:
        spy.interrupted = True
    assert some.step(groups, texts) == []
    assert sorted(groups) == sorted(some.groups(lengths))
    for spy in spies:
        spy.interrupted = False
    rows = dict(some.step(groups, texts))
    while groups:
        rows.update(some.step(groups, texts))
    assert set(rows) == set(range(6))


def test_a_failure_in_any_lane_is_one_of_the_step(open_lanes: Opener) -> None:
    some = open_lanes(threads=2)
    spied(some, Spy(), Spy(fails=True))
    with pytest.raises(SamovarError) as caught:
        run(some, [150] * 50)
    assert caught.value.code == FailureCode.INTERNAL


def test_a_large_vocabulary_makes_lanes_for_short_texts_only(
    open_lanes: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LANE_BYTES", 1)
    assert open_lanes(threads=2)._lane_tokens == SHARED_TOKENS
