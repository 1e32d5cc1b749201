"""Workers that fail, or do not go when they are told to."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from samovar_agent.engine.machine import is_stopped
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Text
from tests.samovar_agent.engine.conftest import MakeBench
from tests.samovar_agent.engine.talking import failure, gone, reply, talk

Until = Callable[..., Any]


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


async def test_a_stopped_process_is_killed_at_once(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench(patience=20.0)
    loaded = await bench.instances.load("small")
    assert loaded.instance is not None
    assert loaded.instance.pid is not None
    os.kill(loaded.instance.pid, signal.SIGSTOP)
    await until(lambda: is_stopped(loaded.instance.pid))
    began = time.monotonic()
    await bench.instances.unload("small")
    assert time.monotonic() - began < 5, "it hears nothing, so that patience is in vain"
    assert gone(loaded.instance.pid)


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
