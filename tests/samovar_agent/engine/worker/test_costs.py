"""Learning what steps cost, with steps whose duration a clock of the test decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from samovar_agent.engine.worker import costs
from samovar_agent.engine.worker.context import Context, Part
from tests.samovar_agent.engine.worker.fake_context import FakeContext


class TimedContext(FakeContext):
    """A step takes 10 ms and 2 ms a token."""

    def __init__(self, slower: float = 1.0) -> None:
        super().__init__(sequences=32)
        self.now, self._slower = 0.0, slower

    def compute(self, parts: Sequence[Part]) -> list[int] | None:
        rows = super().compute(parts)
        self.now += (0.010 + 0.002 * len(parts[0].tokens)) * self._slower
        return rows


def measurement(context: TimedContext, monkeypatch: pytest.MonkeyPatch) -> costs.Measurement:
    monkeypatch.setattr("time.perf_counter", lambda: context.now)
    return costs.Measurement(cast(Context, context))


def test_the_curve_is_what_steps_took(monkeypatch: pytest.MonkeyPatch) -> None:
    context = TimedContext()
    measured = measurement(context, monkeypatch)
    measured.go_on(0, lambda seconds: True)
    assert measured.finished
    assert measured.curve is not None
    for tokens in (1, 2, 6, 17, 30):
        assert measured.curve(tokens) == pytest.approx(0.010 + 0.002 * tokens)
    assert sum(len(part.tokens) for step in context.steps for part in step) <= costs.TOKENS


def test_it_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    context = TimedContext()
    context.interrupt_at = {1, 4, 10}
    measured = measurement(context, monkeypatch)
    runs = 0
    while not measured.finished:
        left = 4
        runs += 1

        def may_compute(seconds: float) -> bool:
            nonlocal left
            left -= 1
            return left > 0

        measured.go_on(0, may_compute)
        assert runs < 20
    assert measured.curve is not None
    assert measured.curve(8) == pytest.approx(0.026)


def test_it_foretells_at_least_what_a_step_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    context = TimedContext()
    measured = measurement(context, monkeypatch)
    foretold: list[float] = []
    took: list[float] = []

    def may_compute(seconds: float) -> bool:
        took.append(context.now - sum(took))
        foretold.append(seconds)
        return True

    measured.go_on(0, may_compute)
    took.append(context.now - sum(took))
    assert all(expected >= real - 1e-9 for expected, real in list(zip(foretold, took[1:], strict=True))[2:])


def test_slow_steps_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    context = TimedContext(slower=20)
    measured = measurement(context, monkeypatch)
    measured.go_on(0, lambda seconds: True)
    assert measured.finished
    assert len(context.steps) == 1 + 5
