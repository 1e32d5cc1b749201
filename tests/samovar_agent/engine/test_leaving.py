"""How instances, and those who wait for them, come to an end."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from samovar_agent.engine.process import WorkerEngine
from samovar_agent.engine.wire import Hello
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Progress, Text
from tests.samovar_agent.engine.conftest import MakeBench
from tests.samovar_agent.engine.talking import failure, gone, reply, talk

Until = Callable[..., Any]


async def test_unloading_ends_streams_and_a_request_meanwhile_loads_anew(make_bench: MakeBench) -> None:
    bench = make_bench("deaf")
    stream = talk(bench, "for ever")
    while not isinstance(await anext(stream), Text):
        pass
    unloading = asyncio.create_task(bench.instances.unload("small"))
    with pytest.raises(SamovarError) as caught:
        await anext(stream)
    assert caught.value.code == FailureCode.CANCELLED
    began = time.monotonic()
    new = await reply(bench, "new")
    assert new.text == "new "
    assert new.stats.load_seconds > 0.7 * (time.monotonic() - began), "waiting for the old one to go counts as loading"
    assert unloading.done()
    assert bench.states.count("starting") == 2


async def test_closing_a_stream_cancels_the_work(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    stream = talk(bench, "for ever")
    while not isinstance(await anext(stream), Text):
        pass
    (info,) = bench.instances.ls()
    assert (info.active, info.queued) == (1, 0)
    await stream.aclose()
    (info,) = bench.instances.ls()
    assert (info.active, info.queued) == (0, 0)
    log = bench.instances._logs / "worker-maker-small.log"
    await until(lambda: log.exists() and "cancel 1" in log.read_text())


async def test_cancelling_who_iterates_cancels_the_work(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    task = asyncio.create_task(reply(bench, "for ever"))
    await until(lambda: any(info.active for info in bench.instances.ls()))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    log = bench.instances._logs / "worker-maker-small.log"
    await until(lambda: log.exists() and "cancel 1" in log.read_text())
    assert not bench.instances.ls()[0].active


async def test_loading_stops_when_the_last_who_waits_gives_up(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench("loads for ever")
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(bench.instances.load("small")) for _ in range(2)]
    waiting.append(asyncio.create_task(reply(bench, "x")))
    await until(lambda: any(info.progress == 0.5 for info in bench.told))
    pid = bench.instances.ls()[0].pid
    for task in waiting[:2]:
        task.cancel()
    await asyncio.wait(waiting[:2])
    assert bench.instances.ls()[0].state == "loading"
    waiting[2].cancel()
    await asyncio.wait(waiting)
    await until(lambda: bench.instances.ls() == [])
    assert gone(pid)
    assert bench.states[-2:] == ["unloading", "stopped"]


async def test_unloading_while_it_loads(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench("loads for ever")
    waiting = asyncio.create_task(bench.instances.load("small"))
    await until(lambda: bench.states[-1:] == ["loading"])
    await bench.instances.unload("small")
    with pytest.raises(SamovarError) as caught:
        await waiting
    assert caught.value.code == FailureCode.CANCELLED
    assert bench.instances.ls() == []


async def test_idle_models_leave_after_their_time_but_never_in_use(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    await bench.instances.load("small", ttl_seconds=0.1)
    stream = talk(bench, "for ever")
    while not isinstance(await anext(stream), Text):
        pass
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asyncio.create_task(until(lambda: bench.states[-1] != "ready"))), 0.4)
    assert bench.instances.ls()[0].state == "ready"
    await stream.aclose()
    await until(lambda: bench.instances.ls() == [])
    assert bench.states[-2:] == ["unloading", "stopped"]


async def test_a_request_sets_the_time_from_the_settings_and_a_load_none(make_bench: MakeBench) -> None:
    bench = make_bench()
    await reply(bench, "x")
    assert bench.instances.ls()[0].ttl_seconds == 3600
    await bench.instances.unload_all()
    await bench.instances.load("small")
    assert bench.instances.ls()[0].ttl_seconds is None
    await bench.instances.unload_all()
    bench.settings.set("models.ttl_minutes", 0)
    await reply(bench, "x")
    assert bench.instances.ls()[0].ttl_seconds is None


async def test_requests_racing_the_end_of_the_time_all_get_their_reply(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.settings.set("models.ttl_minutes", 0.002 / 60)  # of every instance, not only the first

    async def late(number: int) -> ChatReply:
        await asyncio.sleep(number * 0.01 + (number % 7) * 0.001)
        return await reply(bench, f"n{number}")

    replies = await asyncio.gather(*(late(number) for number in range(200)))
    assert [answer.text for answer in replies] == [f"n{number} " for number in range(200)]
    assert bench.states.count("unloading") > 1, "or nothing raced"


async def test_closing_ends_everything_with_shutting_down(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    streaming = asyncio.create_task(reply(bench, "for ever"))
    await until(lambda: any(info.active for info in bench.instances.ls()))
    pids = [info.pid for info in bench.instances.ls()]
    await bench.instances.close()
    with pytest.raises(SamovarError) as caught:
        await streaming
    assert caught.value.code == FailureCode.SHUTTING_DOWN
    assert all(map(gone, pids))
    assert (await failure(bench, "more")).code == FailureCode.SHUTTING_DOWN
    with pytest.raises(SamovarError):
        await bench.instances.load("small")


async def test_one_that_gives_up_does_not_cancel_the_load_of_one_that_comes_in_the_same_moment(
    make_bench: MakeBench, until: Until
) -> None:
    bench = make_bench("loads for ever")
    first = asyncio.create_task(bench.instances.load("small"))
    await until(lambda: any(info.progress == 0.5 for info in bench.told))
    second = asyncio.create_task(reply(bench, "hello"))
    first.cancel()
    await asyncio.wait([first])
    assert bench.states == ["starting", "loading"]
    second.cancel()
    await asyncio.wait([second])
    await until(lambda: bench.instances.ls() == [])


async def test_unloading_in_the_moment_in_which_a_worker_says_hello_is_no_defect(
    make_bench: MakeBench, until: Until
) -> None:
    bench = make_bench("loads for ever")
    loading = asyncio.create_task(bench.instances.load("small"))
    await until(lambda: bool(bench.told))
    instance = bench.instances._instances["maker/small"]
    engine = instance._engine
    assert isinstance(engine, WorkerEngine)
    await until(lambda: engine.pid is not None and bool(engine._tasks))
    engine._take(Hello())
    await bench.instances.unload("small")
    with pytest.raises(SamovarError):
        await loading
    assert instance._life.cancelled(), "or it went on as if nobody had unloaded it"
    assert bench.states == ["starting", "unloading", "stopped"]


async def test_a_request_that_comes_to_a_closing_engine_gets_the_reason(make_bench: MakeBench) -> None:
    bench = make_bench("deaf")
    stream = talk(bench, "one")
    assert isinstance(await anext(stream), Progress)
    # The client is slow and takes the next item only when the model has been loaded and is being unloaded again.
    await bench.instances.load("small")
    unloading = asyncio.create_task(bench.instances.unload("small"))
    for _ in range(10):  # turns of the event loop: the worker has been told, and is deaf
        await asyncio.sleep(0)
    assert not unloading.done()
    with pytest.raises(SamovarError) as caught:
        async for item in stream:
            assert isinstance(item, Progress)
    assert caught.value.code == FailureCode.CANCELLED
    await unloading
