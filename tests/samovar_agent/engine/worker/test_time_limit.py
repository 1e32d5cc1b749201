import threading
import time
from typing import NoReturn

import pytest

from samovar_agent.engine.worker.time_limit import call_within


def test_what_ends_in_time_is_as_if_it_had_been_called() -> None:
    assert call_within(5.0, lambda: 7) == 7

    def fail() -> NoReturn:
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        call_within(5.0, fail)


def test_what_takes_too_long_is_ended_and_leaves_no_thread() -> None:
    def loop() -> NoReturn:
        while True:
            try:
                sum(range(100))
            except Exception:
                continue

    before = threading.active_count()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        call_within(0.1, loop)
    assert time.monotonic() - began < 3
    assert threading.active_count() == before


def test_one_that_catches_everything_a_few_times_is_ended_all_the_same() -> None:
    caught = 0

    def stubborn() -> None:
        nonlocal caught
        while True:
            try:
                while True:
                    sum(range(100))
            except BaseException:
                caught += 1
                if caught > 3:
                    raise

    before = threading.active_count()
    with pytest.raises(TimeoutError):
        call_within(0.05, stubborn)
    assert caught == 4
    assert threading.active_count() == before
