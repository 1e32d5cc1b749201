import asyncio
import threading

import pytest

from samovar_agent.threads import Report, Stopped, reporting, stoppable
from samovar_protocol.values import Progress


def until_stopped(began: threading.Event, stop: threading.Event) -> None:
    began.set()
    assert stop.wait(20)
    raise Stopped


async def test_the_result_and_what_is_raised() -> None:
    assert await stoppable(lambda stop: not stop.is_set())
    with pytest.raises(ZeroDivisionError):
        await stoppable(lambda _: 1 // 0)


async def test_cancelled_it_is_told_to_stop_and_waited_for() -> None:
    began, ended = threading.Event(), threading.Event()

    def work(stop: threading.Event) -> None:
        try:
            until_stopped(began, stop)
        finally:
            ended.set()

    task = asyncio.create_task(stoppable(work))
    await asyncio.to_thread(began.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_progress_arrives_where_it_was_asked_for() -> None:
    told: list[tuple[float, threading.Thread]] = []

    def work(report: Report, stop: threading.Event) -> str:
        for done in range(3):
            report(Progress(stage="reading", done=done))
        return "done"

    thread = threading.current_thread()
    reply = await reporting(work, lambda progress: told.append((progress.done, threading.current_thread())))
    assert reply == "done"
    assert told == [(0, thread), (1, thread), (2, thread)]


async def test_what_the_listener_raises_stops_the_work_and_is_raised() -> None:
    began = threading.Event()

    def work(report: Report, stop: threading.Event) -> None:
        report(Progress(stage="reading", done=1))
        until_stopped(began, stop)

    def leave(progress: Progress) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        await reporting(work, leave)


async def test_work_that_is_done_all_the_same_counts() -> None:
    def work(report: Report, stop: threading.Event) -> str:
        report(Progress(stage="reading", done=1))
        assert stop.wait(20)
        return "done"

    def leave(progress: Progress) -> None:
        raise ConnectionError("gone")

    assert await reporting(work, leave) == "done"
