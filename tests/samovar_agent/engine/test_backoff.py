import time

import pytest

from samovar_agent.engine.backoff import SETTLED_SECONDS, Backoff
from samovar_protocol import FailureCode, SamovarError

ERROR = SamovarError(FailureCode.WORKER_CRASHED, "It crashed.", hint="Look.", details={"a": 1})


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def wait(backoff: Backoff, model: str = "m") -> float:
    try:
        backoff.check(model)
    except SamovarError as error:
        seconds = error.failure.details["retry_seconds"]
        assert isinstance(seconds, float)
        return seconds
    return 0.0


def test_each_failure_in_a_row_waits_longer_up_to_a_limit(clock: Clock) -> None:
    backoff, waits = Backoff(), []
    for _ in range(12):
        backoff.failed("m", ERROR, 1.0)
        waits.append(wait(backoff))
        clock.now += waits[-1]
        assert not wait(backoff), "when the time is over, the next try is free"
    assert waits[:5] == [0, 0, 5, 10, 20]
    assert waits[-1] == 300
    assert not wait(backoff, "another")


def test_it_says_the_last_failure_again(clock: Clock) -> None:
    backoff = Backoff()
    for _ in range(3):
        backoff.failed("m", ERROR, 1.0)
    with pytest.raises(SamovarError) as caught:
        backoff.check("m")
    assert caught.value.code == FailureCode.WORKER_CRASHED
    assert caught.value.failure.message == ("It crashed. That was failure 3 in a row; the next try is possible in 5 s.")
    assert caught.value.failure.details == {"a": 1, "failures": 3, "retry_seconds": 5.0}


def test_one_that_lived_long_begins_a_new_row_and_one_that_ended_well_ends_it(clock: Clock) -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.failed("m", ERROR, SETTLED_SECONDS)
        assert not wait(backoff)
    for _ in range(2):
        backoff.failed("m", ERROR, 1.0)
    assert wait(backoff)
    backoff.ended_well("m")
    assert not wait(backoff)
