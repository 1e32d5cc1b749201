"""Speed and remaining time, with made-up clocks."""

from __future__ import annotations

import pytest

from samovar_agent.network.meter import Meter


def test_nothing_is_known_from_one_look() -> None:
    progress = Meter("downloading", 100).progress(10, now=0.0)
    assert (progress.stage, progress.done, progress.total) == ("downloading", 10, 100)
    assert (progress.per_second, progress.eta_seconds) == (None, None)


def test_a_steady_stream() -> None:
    meter = Meter("downloading", 100)
    for second in range(4):
        progress = meter.progress(second * 10, now=float(second))
    assert progress.per_second == pytest.approx(10)
    assert progress.eta_seconds == pytest.approx(7)


def test_a_stall_shows_within_seconds_and_has_no_eta() -> None:
    meter = Meter("downloading", 1000)
    for second in range(20):
        meter.progress(second * 10, now=float(second))
    for second in range(20, 27):
        progress = meter.progress(190, now=float(second))
    assert progress.per_second == 0
    assert progress.eta_seconds is None


def test_an_unknown_total_has_a_speed_and_no_eta() -> None:
    meter = Meter("downloading", None)
    meter.progress(0, now=0.0)
    progress = meter.progress(50, now=2.0)
    assert (progress.per_second, progress.eta_seconds, progress.total) == (25, None, None)


def test_more_than_the_total_takes_no_negative_time() -> None:
    meter = Meter("downloading", 10)
    meter.progress(0, now=0.0)
    assert meter.progress(20, now=1.0).eta_seconds == 0
