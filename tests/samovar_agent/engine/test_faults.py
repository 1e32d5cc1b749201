"""Workers that hang or crash again and again, and requests that nobody has time for."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.engine import process, waiting
from samovar_agent.engine.interface import LoadOptions, SnapshotOptions
from samovar_agent.engine.residents import SnapshotPlaces
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import EmbedReply, RerankReply
from samovar_protocol.values import Progress, Text
from tests.samovar_agent.engine.conftest import Bench, MakeBench
from tests.samovar_agent.engine.talking import failure, gone, reply, talk

Until = Callable[..., Any]


class TestWatchdog:
    @pytest.fixture
    def bench(self, make_bench: MakeBench) -> Bench:
        bench = make_bench(patience=5.0)
        bench.settings.set("engine.hang_seconds", 0.5)
        return bench

    async def test_a_stopped_worker_is_replaced(self, bench: Bench) -> None:
        loaded = await bench.instances.load("small")
        assert loaded.instance is not None
        began = time.monotonic()
        stopping, waiting_for_it = asyncio.create_task(failure(bench, "stop")), asyncio.create_task(failure(bench, "x"))
        for error in await asyncio.gather(stopping, waiting_for_it):
            assert error.code == FailureCode.WORKER_CRASHED
            assert "stopped answering" in error.failure.message
            assert "engine.hang_seconds" in error.hint
        assert 0.5 <= time.monotonic() - began < 5, "no sooner, and not only when patience with an orderly end is over"
        assert (await reply(bench, "next")).text == "next "
        assert gone(loaded.instance.pid)

    async def test_a_worker_that_computes_in_silence_gets_longer(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "_BUSY_FACTOR", 3)
        await bench.instances.load("small")
        began = time.monotonic()
        error = await failure(bench, "compute")
        assert "stopped answering" in error.failure.message
        assert time.monotonic() - began >= 1.5

    async def test_one_that_says_that_it_lives_is_left_alone(self, bench: Bench) -> None:
        assert (await reply(bench, "think")).stats.completion_tokens == 1
        assert bench.states == ["starting", "loading", "ready"]

    async def test_an_idle_worker_may_be_silent(self, bench: Bench, until: Until) -> None:
        await reply(bench, "hello")
        (info,) = bench.instances.ls()
        assert info.pid is not None
        os.kill(info.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await until(lambda: bench.states[-1] == "failed")
        os.kill(info.pid, signal.SIGCONT)
        assert (await reply(bench, "still")).text == "still "
        assert bench.states == ["starting", "loading", "ready"]

    async def test_refusals_are_no_sign_of_life(self, bench: Bench) -> None:
        await bench.instances.load("small")
        waiting_for_it = asyncio.create_task(failure(bench, "wait"))
        while not waiting_for_it.done():
            refused = await failure(bench, "refuse")
            assert refused.code in (FailureCode.BAD_REQUEST, FailureCode.WORKER_CRASHED)
            await asyncio.sleep(0.05)
        assert "stopped answering" in waiting_for_it.result().failure.message

    async def test_without_a_limit_nobody_is_killed(self, bench: Bench) -> None:
        bench.settings.set("engine.hang_seconds", 0)
        error = await failure(bench, "wait", deadline_seconds=1.5)
        assert error.code == FailureCode.DEADLINE_EXCEEDED
        assert bench.states == ["starting", "loading", "ready"]


class TestCrashLoop:
    async def test_after_some_failures_in_a_row_it_is_not_started_for_each_request(self, make_bench: MakeBench) -> None:
        bench = make_bench("dies at load")
        for _ in range(3):
            assert "in a row" not in (await failure(bench, "x")).failure.message
        starts = bench.states.count("starting")
        error = await failure(bench, "x")
        assert error.code == FailureCode.LOAD_FAILED
        assert "GGML_ASSERT" in error.failure.message
        assert "3 in a row" in error.failure.message
        seconds = error.failure.details["retry_seconds"]
        assert isinstance(seconds, float)
        assert 0 < seconds <= 5
        assert bench.states.count("starting") == starts == 3

    async def test_loading_for_long_is_no_service(self, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("samovar_agent.engine.backoff.SETTLED_SECONDS", 0.0001)
        bench = make_bench("dies at load")
        for _ in range(3):
            assert (await failure(bench, "x")).code == FailureCode.LOAD_FAILED
        assert "3 in a row" in (await failure(bench, "x")).failure.message

    async def test_other_models_and_people_who_insist_are_not_kept_waiting(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        for _ in range(3):
            assert (await failure(bench, "assert")).code == FailureCode.WORKER_CRASHED
        assert "in a row" in (await failure(bench, "hello")).failure.message
        bench.library.add("maker/other")
        assert (await reply(bench, "hello", "other")).text == "hello "
        await bench.instances.load("small", force=True)
        assert (await reply(bench, "hello")).text == "hello "

    async def test_it_is_tried_again_when_the_time_is_over(
        self, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("samovar_agent.engine.backoff._FIRST_WAIT", 0.1)
        bench = make_bench()
        for _ in range(3):
            await failure(bench, "assert")
        assert "in a row" in (await failure(bench, "hello")).failure.message
        await asyncio.sleep(0.1)
        assert (await reply(bench, "hello")).text == "hello "


class TestQueue:
    async def test_too_many_are_told_to_come_back(self, make_bench: MakeBench, until: Until) -> None:
        bench = make_bench()
        bench.settings.set("engine.queue_limit", 3)
        tasks = [asyncio.create_task(failure(bench, "wait")) for _ in range(3)]
        await until(lambda: any(info.queued == 3 for info in bench.instances.ls()))
        error = await failure(bench, "one more")
        assert error.code == FailureCode.BUSY
        assert error.failure.details == {"queued": 3, "limit": 3}
        assert error.hint
        tasks.pop().cancel()
        await until(lambda: bench.instances.ls()[0].queued == 2)
        assert (await reply(bench, "now")).text == "now "
        await bench.instances.unload_all()
        assert {error.code for error in await asyncio.gather(*tasks)} == {FailureCode.CANCELLED}

    async def test_who_waits_for_the_model_to_load_counts(self, make_bench: MakeBench, until: Until) -> None:
        bench = make_bench("loads for ever")
        bench.settings.set("engine.queue_limit", 1)
        task = asyncio.create_task(failure(bench, "x"))
        await until(lambda: any(info.queued for info in bench.told))
        assert (await failure(bench, "y")).code == FailureCode.BUSY
        await bench.instances.unload_all()
        await task

    async def test_who_waits_is_told_how_many_come_before(
        self, make_bench: MakeBench, until: Until, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "POSITION_SECONDS", 0.02)
        bench = make_bench()
        await bench.instances.load("small")
        first = [asyncio.create_task(failure(bench, "wait")) for _ in range(2)]
        await until(lambda: bench.instances.ls()[0].queued == 2)
        stream = talk(bench, "wait")
        assert await anext(stream) == Progress(stage="queued", done=2, unit="requests")
        first[0].cancel()
        assert await anext(stream) == Progress(stage="queued", done=1, unit="requests")
        background = talk(bench, "wait", priority="background")
        assert await anext(background) == Progress(stage="queued", done=2, unit="requests")
        await stream.aclose()
        assert await anext(background) == Progress(stage="queued", done=1, unit="requests")
        await background.aclose()
        await bench.instances.unload_all()
        await first[1]

    async def test_nobody_who_need_not_wait_is_told(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        await bench.instances.load("small")
        assert not any(isinstance(item, Progress) for item in [item async for item in talk(bench, "at once")])


class TestDeadline:
    async def test_it_counts_loading(self, make_bench: MakeBench, until: Until) -> None:
        bench = make_bench("loads for ever")
        began = time.monotonic()
        error = await failure(bench, "x", deadline_seconds=0.5)
        assert error.code == FailureCode.DEADLINE_EXCEEDED
        assert "0.5 s" in error.failure.message
        assert time.monotonic() - began < 5
        await until(lambda: bench.instances.ls() == [])

    async def test_it_ends_a_reply_and_its_work(self, make_bench: MakeBench, until: Until) -> None:
        bench = make_bench()
        await bench.instances.load("small")
        stream = talk(bench, "for ever", deadline_seconds=0.5)
        assert isinstance(await anext(stream), Text)
        with pytest.raises(SamovarError) as caught:
            await anext(stream)
        assert caught.value.code == FailureCode.DEADLINE_EXCEEDED
        (info,) = bench.instances.ls()
        assert (info.active, info.queued) == (0, 0)
        log = bench.instances._logs / "worker-maker-small.log"
        await until(lambda: log.exists() and "cancel 1" in log.read_text())

    async def test_a_client_that_is_slow_itself_is_not_cancelled_by_it(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        stream = talk(bench, "one", deadline_seconds=1.0)
        with pytest.raises(SamovarError) as caught:
            async for _ in stream:
                await asyncio.sleep(1.5)  # would be cancelled here, were the limit around it
        assert caught.value.code == FailureCode.DEADLINE_EXCEEDED

    async def test_what_comes_in_time_is_whole(self, make_bench: MakeBench) -> None:
        assert (await reply(make_bench(), "one two", deadline_seconds=30)).text == "one two "


async def test_the_totals_are_told_after_each_request(make_bench: MakeBench) -> None:
    bench = make_bench()
    await reply(bench, "one two")
    assert (bench.told[-1].active, bench.told[-1].completion_tokens, bench.told[-1].requests) == (0, 2, 1)
    assert bench.told[-1].last is not None
    bench.library.add("maker/vectors")
    assert await bench.instances.count_tokens("vectors", ["a", "four", ""]) == [1, 4, 0]
    items = [item async for item in bench.instances.embed("vectors", ["a", "b"])]
    assert isinstance(items[-1], EmbedReply)
    assert (bench.told[-1].active, bench.told[-1].prompt_tokens, bench.told[-1].requests) == (0, 2, 1)
    ranked = [item async for item in bench.instances.rerank("vectors", "?", ["a", "abc", "ab"], top=2)][-1]
    assert isinstance(ranked, RerankReply)
    assert [result.index for result in ranked.results] == [1, 2]
    assert (bench.told[-1].active, bench.told[-1].prompt_tokens, bench.told[-1].requests) == (0, 5, 2)


async def test_workers_are_told_where_prefixes_are_kept(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = list[LoadOptions]()
    load = process.WorkerEngine.load

    async def noting(self: process.WorkerEngine, one: LoadOptions, *arguments: Any) -> Any:
        options.append(one)
        return await load(self, one, *arguments)

    monkeypatch.setattr(process.WorkerEngine, "load", noting)
    bench = make_bench(snapshots=SnapshotPlaces(tmp_path / "snapshots", tmp_path / "key"))
    bench.settings.set("engine.snapshot_gigabytes", 1.5)
    await bench.instances.load("small")
    assert options[-1].snapshots == SnapshotOptions(
        folder=str(tmp_path / "snapshots"), key_file=str(tmp_path / "key"), budget_bytes=1_500_000_000
    )
    bench.settings.set("engine.snapshot_gigabytes", 0)
    await bench.instances.unload_all()
    await bench.instances.load("small")
    assert options[-1].snapshots is None
