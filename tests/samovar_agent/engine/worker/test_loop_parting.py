"""Memory that can be shared at its end only remembers the places where prompts part."""

from __future__ import annotations

from typing import Any

import pytest

from tests.samovar_agent.engine.worker.fake_context import FakeContext, written
from tests.samovar_agent.engine.worker.fake_worker import Worker, prompt

KINDS: list[dict[str, Any]] = [{"only_whole": True}, {"window": 17}]
SYSTEM = prompt(1, 700)


def computed(worker: Worker) -> int:
    return sum(len(part.tokens) for step in worker.context.steps for part in step)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_that_come_together_compute_their_beginning_once(kind: dict[str, Any]) -> None:
    worker = Worker(FakeContext(cells=8000, sequences=8, **kind))
    texts = [[*SYSTEM, *prompt(seed, 10 * seed)] for seed in range(2, 6)]
    ids = [worker.submit(text, 5, client=str(index)) for index, text in enumerate(texts)]
    worker.run()
    for id_, text in zip(ids, texts, strict=True):
        assert worker.tokens(id_) == written(text, 5)
    assert computed(worker) < 700 + sum(len(text) - 700 + 5 for text in texts) + 10


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_third_on_nobody_computes_a_common_beginning(kind: dict[str, Any]) -> None:
    worker = Worker(FakeContext(cells=8000, sequences=8, **kind))
    cached = []
    for seed in range(2, 7):
        text = [*SYSTEM, *prompt(seed, 30)]
        id_ = worker.submit(text, 5)
        worker.run()
        assert worker.tokens(id_) == written(text, 5)
        cached.append(worker.done(id_).finished.stats.cached_tokens)
    assert cached[:2] == [0, 0], "before the second, nobody can know where prompts will part"
    assert all(tokens >= 700 for tokens in cached[2:])


def test_memory_that_shares_any_beginning_stops_nowhere() -> None:
    worker = Worker(FakeContext(cells=8000))
    for seed in range(2, 5):
        worker.submit([*prompt(1, 100), *prompt(seed, 100)], 1, client=str(seed))
    worker.run()
    assert [len(step) for step in worker.context.steps] == [1, 2]
