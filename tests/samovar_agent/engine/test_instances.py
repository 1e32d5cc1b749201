"""Instances over workers that misbehave on demand."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from samovar_agent.engine.process import WorkerEngine
from samovar_agent.engine.wire import Hello
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply, LoadReply
from samovar_protocol.values import InstanceInfo, Progress, Text
from tests.samovar_agent.engine.conftest import Bench, MakeBench, header
from tests.samovar_agent.engine.talking import failure, gone, reply, talk

Until = Callable[..., Any]


async def test_loading_tells_its_progress_and_every_state(make_bench: MakeBench) -> None:
    bench = make_bench()
    seen = list[Progress]()
    loaded = await bench.instances.load("small", on_progress=seen.append)
    assert loaded.instance is not None
    assert not loaded.already_loaded
    assert loaded.instance.state == "ready"
    assert loaded.instance.identifier == loaded.instance.model == "maker/small"
    assert loaded.instance.memory_bytes > 0
    assert seen[-1] == Progress(stage="loading", done=1.0, total=1, unit="ratio")
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    await bench.instances.unload("small")
    assert bench.states == ["starting", "loading", "ready", "unloading", "stopped"]
    assert bench.instances.ls() == []
    assert gone(loaded.instance.pid)


async def test_a_reply_loads_streams_and_ends_with_the_whole(make_bench: MakeBench) -> None:
    bench = make_bench()
    items = [item async for item in talk(bench, "one two three")]
    assert isinstance(items[0], Progress)
    texts = [item for item in items if isinstance(item, Text)]
    assert "".join(text.text for text in texts) == "one two three "
    last = items[-1]
    assert isinstance(last, ChatReply)
    assert last.text == "one two three "
    assert last.stats.load_seconds > 0
    again = [item async for item in talk(bench, "one")]
    assert not any(isinstance(item, Progress) for item in again)
    (info,) = bench.instances.ls()
    assert (info.requests, info.completion_tokens, info.active, info.queued) == (2, 4, 0, 0)


async def test_what_is_loaded_is_returned_as_it_is(make_bench: MakeBench) -> None:
    bench = make_bench()
    first = await bench.instances.load("small")
    second = await bench.instances.load("maker/small", context=128)
    assert second.already_loaded
    assert first.instance is not None
    assert second.instance is not None
    assert second.instance.pid == first.instance.pid


async def test_many_at_once_share_one_load(make_bench: MakeBench) -> None:
    bench = make_bench()
    loads = [bench.instances.load("small") for _ in range(5)]
    replies = [reply(bench, f"word{number}") for number in range(5)]
    results = await asyncio.gather(*loads, *replies)
    assert len(results) == 10
    assert len(bench.instances.ls()) == 1
    assert bench.states.count("starting") == 1


async def test_an_unknown_name_is_never_answered_by_another_model(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small")
    assert (await failure(bench, "hello", "gpt-4")).code == FailureCode.MODEL_UNKNOWN
    with pytest.raises(SamovarError):
        await bench.instances.unload("gpt-4")


class TestRoom:
    """A machine on which only so many small models fit at once."""

    @pytest.fixture
    def bench(self, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> Bench:
        bench = make_bench()
        for name in ("b", "c"):
            bench.library.add(f"maker/{name}")
        one = bench.instances.estimate("small").need_bytes

        def available() -> int:
            taken = [info for info in bench.instances.ls() if info.state in ("ready", "unloading")]
            return (2 - len(taken)) * one

        monkeypatch.setattr("samovar_agent.engine.instances.available_bytes", available)
        monkeypatch.setattr("samovar_agent.engine.instance.resident_bytes", lambda pid: one)
        monkeypatch.setattr("samovar_agent.engine.instance.mapped_bytes", lambda pid: 0)
        return bench

    async def test_the_longest_unused_makes_room(self, bench: Bench) -> None:
        await bench.instances.load("small")
        await bench.instances.load("b")
        await reply(bench, "hello", "small")
        await bench.instances.load("c")
        assert [info.identifier for info in bench.instances.ls()] == ["maker/small", "maker/c"]

    async def test_one_in_use_never_does(self, bench: Bench) -> None:
        await bench.instances.load("b")
        stream = talk(bench, "for ever", "small")
        async for item in stream:
            if isinstance(item, Text):
                break
        await bench.instances.load("c")
        assert [info.identifier for info in bench.instances.ls()] == ["maker/small", "maker/c"]
        await stream.aclose()

    async def test_mapped_weights_of_loaded_models_are_not_free_although_the_machine_says_so(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = 10**9
        for name in ("maker/small", "maker/b", "maker/c"):
            bench.library.add(name, Path(f"/{name}.gguf"), header(tensor_bytes=weights))
        need = bench.instances.estimate("small").need_bytes

        def available() -> int:  # pages of files count as available
            return 2 * need + 1 - len(bench.instances.ls()) * (need - weights)

        monkeypatch.setattr("samovar_agent.engine.instances.available_bytes", available)
        monkeypatch.setattr("samovar_agent.engine.instance.resident_bytes", lambda pid: need)
        monkeypatch.setattr("samovar_agent.engine.instance.mapped_bytes", lambda pid: weights)
        for name in ("small", "b", "c"):
            await bench.instances.load(name)
        assert [info.identifier for info in bench.instances.ls()] == ["maker/b", "maker/c"]

    async def test_unloading_one_of_two_that_share_a_file_does_not_free_it(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = 10**9
        bench.library.add("maker/small", Path("/small.gguf"), header(tensor_bytes=weights))
        monkeypatch.setattr("samovar_agent.engine.instances.available_bytes", lambda: 10**10)
        monkeypatch.setattr("samovar_agent.engine.instance.mapped_bytes", lambda pid: weights)
        monkeypatch.setattr("samovar_agent.engine.instance.resident_bytes", lambda pid: weights + 1000)
        stream = talk(bench, "for ever", "small")
        while not isinstance(await anext(stream), Text):
            pass
        await bench.instances.load("small", identifier="twin")
        need = bench.instances.estimate("small")
        assert need.free_bytes == 10**10 - weights
        lacking = msgspec.structs.replace(need, free_bytes=need.need_bytes - 1000)
        twin = bench.instances._idle_to_make_room(lacking)
        assert twin is not None
        assert twin.identifier == "twin"
        assert (
            bench.instances._idle_to_make_room(msgspec.structs.replace(lacking, need_bytes=need.need_bytes + 1)) is None
        )
        await stream.aclose()

    async def test_nothing_is_unloaded_in_vain(self, bench: Bench) -> None:
        await bench.instances.load("small")
        bench.library.add("maker/huge", head=header(tensor_bytes=10**12))
        error = await failure(bench, "hello", "huge")
        assert error.code == FailureCode.NOT_ENOUGH_MEMORY
        assert [info.identifier for info in bench.instances.ls()] == ["maker/small"]


async def test_a_model_that_is_being_removed_is_not_loaded(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small")
    with pytest.raises(SamovarError) as raised, bench.instances.kept_out("maker/small"):
        pytest.fail("it is in memory")
    assert raised.value.code == FailureCode.MODEL_IN_USE
    await bench.instances.unload_all()
    with bench.instances.kept_out("maker/small"):
        assert (await failure(bench, "hello", "small")).code == FailureCode.MODEL_UNKNOWN
    await bench.instances.load("small")


async def test_no_name_means_the_only_one(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert (await reply(bench, "a", None)).model == "maker/small"
    bench.library.add("maker/other")
    assert (await reply(bench, "b", None)).model == "maker/small", "the one in memory comes before the library"
    await bench.instances.unload_all()
    error = await failure(bench, "c", None)
    assert error.code == FailureCode.MODEL_AMBIGUOUS
    assert error.failure.details == {"models": ["maker/small", "maker/other"]}
    bench.library.files.clear()
    assert (await failure(bench, "d", None)).code == FailureCode.MODEL_UNKNOWN


async def test_identifiers_make_separate_instances_and_cannot_shadow_models(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.library.add("maker/other")
    await bench.instances.load("small")
    second = await bench.instances.load("small", identifier="mine")
    assert second.instance is not None
    assert second.instance.identifier == "mine"
    assert [info.identifier for info in bench.instances.ls()] == ["maker/small", "mine"]
    assert (await reply(bench, "hello", "mine")).model == "maker/small"
    for taken in ("maker/other", "other", "mine"):
        with pytest.raises(SamovarError) as caught:
            await bench.instances.load("other", identifier=taken) if taken == "mine" else await bench.instances.load(
                "small", identifier=taken
            )
        assert caught.value.code == FailureCode.BAD_REQUEST
    assert await bench.instances.unload("mine") == "mine"
    assert [info.identifier for info in bench.instances.ls()] == ["maker/small"]


async def test_the_context_is_the_settings_and_never_above_the_models(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.instances.estimate("small").context_length == 4096
    assert bench.instances.estimate("small", context=100).context_length == 100
    bench.settings.set("models.context_length", 512)
    assert bench.instances.estimate("small").context_length == 512
    with pytest.raises(SamovarError) as caught:
        await bench.instances.load("small", context=4097)
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert "4,096" in caught.value.failure.message


async def test_too_large_a_model_is_refused_before_a_process_starts(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.library.add("maker/huge", head=header(tensor_bytes=10**15))
    with pytest.raises(SamovarError) as caught:
        await bench.instances.load("huge")
    assert caught.value.code == FailureCode.NOT_ENOUGH_MEMORY
    assert set(caught.value.failure.details) == {"need_bytes", "free_bytes"}
    assert not bench.told
    forced = await bench.instances.load("huge", force=True)
    assert forced.instance is not None


async def test_a_worker_that_is_killed_fails_its_stream_and_the_next_request_gets_another(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    stream = talk(bench, "crash")
    texts = list[str]()
    began = 0.0
    with pytest.raises(SamovarError) as caught:
        async for item in stream:
            if isinstance(item, Text):
                texts.append(item.text)
                began = time.monotonic()
    assert time.monotonic() - began < 1
    assert texts == ["half a re"]
    assert caught.value.code == FailureCode.WORKER_CRASHED
    assert "SIGKILL" in caught.value.failure.message
    # No waiting in between: whoever got the failure may ask again at once.
    assert (await reply(bench, "and again")).text == "and again "
    assert bench.states == ["starting", "loading", "ready", "failed", "starting", "loading", "ready"]
    failed = next(info for info in bench.told if info.state == "failed")
    assert failed.problem is not None
    assert "SIGKILL" in failed.problem


async def test_a_worker_that_aborts_says_why(make_bench: MakeBench) -> None:
    error = await failure(make_bench(), "assert")
    assert error.code == FailureCode.WORKER_CRASHED
    assert "exit code 1" in error.failure.message
    assert "a reason" in error.failure.message


@pytest.mark.parametrize("mischief", ["garbage", "close pipe"])
async def test_a_worker_that_breaks_the_pipe_is_ended(make_bench: MakeBench, mischief: str, until: Until) -> None:
    bench = make_bench()
    loaded = await bench.instances.load("small")
    assert loaded.instance is not None
    error = await failure(bench, mischief)
    assert error.code == FailureCode.WORKER_CRASHED
    await until(lambda: gone(loaded.instance.pid))
    assert (await reply(bench, "fine")).text == "fine "


async def test_an_idle_worker_that_dies_disappears(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    loaded = await bench.instances.load("small")
    assert loaded.instance is not None
    assert loaded.instance.pid is not None
    os.kill(loaded.instance.pid, signal.SIGKILL)
    await until(lambda: bench.instances.ls() == [])
    assert bench.states[-1] == "failed"


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [
        ("dies at load", FailureCode.LOAD_FAILED, "GGML_ASSERT"),
        ("refuses", FailureCode.MODEL_UNSUPPORTED, "No such architecture"),
    ],
)
async def test_a_load_that_fails_says_why_to_all_and_leaves_nothing(
    make_bench: MakeBench, mode: str, code: str, words: str
) -> None:
    bench = make_bench(mode)
    results = await asyncio.gather(
        bench.instances.load("small"), bench.instances.load("small"), reply(bench, "x"), return_exceptions=True
    )
    for result in results:
        assert isinstance(result, SamovarError)
        assert result.code == code
        assert words in str(result)
    assert bench.instances.ls() == []
    assert bench.states[-1] == "failed"
    assert gone(bench.told[-1].pid)


async def test_a_command_that_does_not_exist_is_a_failed_load(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.instances._worker_command = ("/no/such/program",)
    with pytest.raises(SamovarError) as caught:
        await bench.instances.load("small")
    assert caught.value.code == FailureCode.LOAD_FAILED
    assert bench.instances.ls() == []


async def test_a_deaf_worker_is_killed(make_bench: MakeBench) -> None:
    bench = make_bench("deaf")
    loaded = await bench.instances.load("small")
    assert loaded.instance is not None
    began = time.monotonic()
    await bench.instances.unload("small")
    assert time.monotonic() - began < 5
    assert gone(loaded.instance.pid)
    assert bench.states[-2:] == ["unloading", "stopped"]


async def test_a_stopped_process_is_killed(make_bench: MakeBench) -> None:
    bench = make_bench()
    loaded = await bench.instances.load("small")
    assert loaded.instance is not None
    assert loaded.instance.pid is not None
    os.kill(loaded.instance.pid, signal.SIGSTOP)
    await bench.instances.unload("small")
    assert gone(loaded.instance.pid)


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


async def test_progress_is_not_told_too_often(make_bench: MakeBench) -> None:
    bench = make_bench("loads in many steps")
    began = time.monotonic()
    await bench.instances.load("small")
    loading: list[InstanceInfo] = [info for info in bench.told if info.state == "loading"]
    assert 2 <= len(loading) <= 2 + (time.monotonic() - began) / 0.1


async def test_who_cannot_be_told_the_progress_fails_alone(make_bench: MakeBench) -> None:
    def leave(progress: Progress) -> None:
        raise ConnectionResetError

    bench = make_bench("loads in many steps")
    leaving, staying = await asyncio.gather(
        bench.instances.load("small", on_progress=leave), bench.instances.load("small"), return_exceptions=True
    )
    assert isinstance(leaving, ConnectionResetError)
    assert isinstance(staying, LoadReply)
    assert (await reply(bench, "fine")).text == "fine "


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


async def test_closing_waits_for_a_worker_whose_load_failed(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench("refuses and stays", patience=0.5)
    loading = asyncio.create_task(bench.instances.load("small"))
    await until(lambda: bench.states[-1:] == ["failed"])
    pid = bench.told[-1].pid
    assert not gone(pid), "it has been told to end, and does not listen"
    assert bench.instances.ls() == [], "but nobody sees it any more"
    await bench.instances.close()
    assert gone(pid)
    with pytest.raises(SamovarError):
        await loading


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


async def test_a_model_in_memory_keeps_its_names_when_its_file_is_gone(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small")
    bench.library.missing.add("maker/small")
    assert (await reply(bench, "still here", "small")).text == "still here "
    assert await bench.instances.unload("small") == "maker/small"
    with pytest.raises(SamovarError) as caught:
        await bench.instances.load("small")
    assert caught.value.code == FailureCode.MODEL_FILE_MISSING
