import pytest

from samovar_agent.engine.usage import Usage
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Stats


def test_requests_wait_then_run_then_leave() -> None:
    usage = Usage()
    place = usage.enter("interactive", limit=1)
    assert (usage.queued, usage.active, usage.requests) == (1, 0, 1)
    usage.start(place)
    assert (usage.queued, usage.active) == (0, 1)
    usage.leave(place)
    usage.leave(place)
    assert (usage.queued, usage.active, usage.requests) == (0, 0, 1)


def test_only_so_many_may_wait_however_many_run() -> None:
    usage = Usage()
    for _ in range(5):
        usage.start(usage.enter("interactive", limit=1))
    usage.enter("interactive", limit=1)
    with pytest.raises(SamovarError) as caught:
        usage.enter("background", limit=1)
    assert caught.value.code == FailureCode.BUSY
    assert caught.value.failure.details == {"queued": 1, "limit": 1}
    assert usage.requests == 6


def test_one_of_which_nobody_says_whether_it_runs_counts_as_waiting_for_the_limit_alone() -> None:
    usage = Usage()
    usage.start(usage.enter("background", limit=1), told=False)
    assert (usage.queued, usage.active) == (0, 1)
    with pytest.raises(SamovarError):
        usage.enter("background", limit=1)


def test_interactive_ones_come_first_then_the_order_of_arrival() -> None:
    usage = Usage()
    background, running, first, second = (
        usage.enter("background" if number == 0 else "interactive", limit=9) for number in range(4)
    )
    usage.start(running)
    assert [usage.before(place) for place in (first, second, background)] == [0, 1, 2]
    usage.leave(first)
    assert [usage.before(place) for place in (second, background)] == [0, 1]


def test_replies_add_up() -> None:
    usage = Usage()
    usage.count(Stats(prompt_tokens=5, cached_tokens=3, completion_tokens=2, decode_seconds=1))
    usage.count(Stats(prompt_tokens=1, completion_tokens=4, drafted_tokens=8, accepted_tokens=6))
    assert usage.totals == Stats(
        prompt_tokens=6, cached_tokens=3, completion_tokens=6, drafted_tokens=8, accepted_tokens=6
    )
    assert usage.last is not None
    assert usage.last.completion_tokens == 4
