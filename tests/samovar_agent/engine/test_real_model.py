"""The engine on a real model, in a real worker."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil
import pytest

from samovar_agent.models.gguf import read_header
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, ChatOptions, Message, Progress, Sampling, Text
from tests.samovar_agent.engine.conftest import Bench, MakeBench

pytestmark = pytest.mark.model

RIVERS = "Explain in a few sentences what a river is and where its water comes from."
SENTENCES = [f"Sentence number {number} is about rivers and the sea." for number in range(60)]
LONG = " ".join(SENTENCES)
SHORTER = " ".join(SENTENCES[:20])


def talk(bench: Bench, *turns: str, **sampling: Any) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
    roles: list[Any] = ["user", "assistant"]
    messages = [Message(role=roles[at % 2], content=turn) for at, turn in enumerate(turns)]
    return bench.instances.generate("small", messages, Sampling(**sampling))


async def reply(bench: Bench, *turns: str, **sampling: Any) -> ChatReply:
    last = [item async for item in talk(bench, *turns, **{"max_tokens": 16, **sampling})][-1]
    assert isinstance(last, ChatReply)
    return last


async def test_it_loads_with_progress_and_streams_what_it_says_in_the_end(real_bench: Bench) -> None:
    items = [item async for item in talk(real_bench, RIVERS, max_tokens=24, temperature=0)]
    assert any(isinstance(item, Progress) and item.done == 1 for item in items)
    texts = [item for item in items if isinstance(item, Text)]
    last = items[-1]
    assert isinstance(last, ChatReply)
    assert "river" in last.text.lower()
    assert "".join(text.text for text in texts) == last.text
    assert sum(text.tokens for text in texts) == last.stats.completion_tokens == 24
    assert len(texts) > 3
    assert last.finish_reason == "length"
    assert last.stats.prompt_seconds > 0
    assert last.stats.decode_seconds > 0
    assert last.stats.load_seconds > 0
    (info,) = real_bench.instances.ls()
    assert info.runtime.startswith("llama.cpp")


async def test_the_estimate_is_near_what_is_measured(real_bench: Bench) -> None:
    loaded = await real_bench.instances.load("small")
    await reply(real_bench, LONG, max_tokens=4)
    measured = real_bench.instances.ls()[0].memory_bytes
    error = loaded.estimate.need_bytes / measured - 1
    assert abs(error) < 0.15, f"estimated {loaded.estimate.need_bytes:,}, measured {measured:,}"


async def test_tokens_are_counted_as_of_text_from_people(real_bench: Bench) -> None:
    counts = await real_bench.instances.count_tokens("small", ["", "Hello", "Hello world", "<|im_start|>"])
    assert counts[:3] == [0, 1, 2]
    assert counts[3] > 1, "a marker that somebody typed is text"


@pytest.mark.parametrize(
    "sampling",
    [
        {"seed": 7, "temperature": 0},
        {"seed": 7},
        {"seed": 8, "temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0},
        {"seed": 9, "typical_p": 0.8, "repeat_penalty": 1.2, "presence_penalty": 0.5, "frequency_penalty": 0.5},
    ],
)
async def test_the_same_seed_and_prompt_alone_give_the_same_text_whatever_came_before(
    real_bench: Bench, sampling: dict[str, Any]
) -> None:
    """What is in memory of earlier requests must not show, although where it lies changes how sums are rounded."""
    first = await reply(real_bench, SHORTER, **sampling)
    second = await reply(real_bench, SHORTER, **sampling)
    await reply(real_bench, SHORTER[: len(SHORTER) // 2] + " And now something else.", temperature=1.0)
    third = await reply(real_bench, SHORTER, **sampling)
    assert first.text == second.text == third.text


async def test_seeds_and_penalties_make_a_difference(real_bench: Bench) -> None:
    texts = {(await reply(real_bench, RIVERS, seed=seed)).text for seed in range(4)}
    assert len(texts) > 1
    loop = await reply(real_bench, "Say yes again and again.", temperature=0, max_tokens=60, ignore_eos=True)
    penalised = await reply(
        real_bench, "Say yes again and again.", temperature=0, max_tokens=60, ignore_eos=True, repeat_penalty=1.5
    )
    assert loop.text != penalised.text


async def test_stop_texts_and_the_models_own_end(real_bench: Bench) -> None:
    whole = await reply(real_bench, RIVERS, temperature=0, max_tokens=30)
    word = whole.text.split()[6]
    stopped = await reply(real_bench, RIVERS, temperature=0, max_tokens=30, stop=[word])
    assert stopped.text == whole.text[: whole.text.index(word)]
    assert (stopped.finish_reason, stopped.stop_text) == ("stop", word)
    short = await reply(real_bench, "Say only: yes", temperature=0, max_tokens=400)
    assert (short.finish_reason, short.stop_text) == ("stop", None)
    beyond = short.stats.completion_tokens + 20
    longer = await reply(real_bench, "Say only: yes", temperature=0, max_tokens=beyond, ignore_eos=True)
    assert longer.finish_reason == "length"
    assert longer.stats.completion_tokens == beyond


async def test_a_reply_goes_on_from_where_it_was_left(real_bench: Bench) -> None:
    messages = [
        Message(role="user", content="What is the capital of France?"),
        Message(role="assistant", content="The capital of France is called"),
    ]
    options = ChatOptions(continue_final_message=True)
    prompt = await real_bench.instances.render("small", messages, options)
    assert prompt.text.endswith("<|im_start|>assistant\nThe capital of France is called")
    sampling = Sampling(temperature=0, max_tokens=4)
    items = [item async for item in real_bench.instances.generate("small", messages, sampling, options)]
    last = items[-1]
    assert isinstance(last, ChatReply)
    assert last.text.startswith(" Paris")
    assert last.stats.prompt_tokens == len(prompt.tokens)


async def test_the_next_turn_computes_only_what_is_new(real_bench: Bench) -> None:
    first = await reply(real_bench, LONG)
    second = await reply(real_bench, LONG, first.text, "Tell me more.")
    assert first.stats.cached_tokens == 0
    assert second.stats.cached_tokens >= first.stats.prompt_tokens - 1
    assert second.stats.cached_tokens < second.stats.prompt_tokens
    assert second.stats.prompt_seconds < first.stats.prompt_seconds


async def test_a_prompt_that_is_too_long_is_refused_with_both_counts(real_bench: Bench) -> None:
    await real_bench.instances.load("small", context=256)
    with pytest.raises(SamovarError) as caught:
        await reply(real_bench, LONG)
    assert caught.value.code == FailureCode.CONTEXT_OVERFLOW
    details = caught.value.failure.details
    assert details["context_length"] == 256
    assert isinstance(details["prompt_tokens"], int)
    assert details["prompt_tokens"] > 256
    assert (await reply(real_bench, RIVERS)).text


async def test_the_end_of_the_context_ends_the_reply(real_bench: Bench) -> None:
    await real_bench.instances.load("small", context=128)
    last = await reply(real_bench, RIVERS, max_tokens=1000, ignore_eos=True)
    assert last.finish_reason == "length"
    assert last.stats.prompt_tokens + last.stats.completion_tokens == 128 + 1  # the last one needs no place


@pytest.mark.alone
async def test_cancelling_frees_the_worker_at_once_also_in_the_middle_of_a_prompt(real_bench: Bench) -> None:
    await real_bench.instances.load("small")
    whole = await reply(real_bench, LONG * 2, max_tokens=1)  # how long this prompt takes when nobody cancels
    await reply(real_bench, "Something else.", max_tokens=1)
    task = asyncio.create_task(reply(real_bench, "Once more. " + LONG * 2, max_tokens=1))
    while not real_bench.instances.ls()[0].active:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    after = await reply(real_bench, "Hello.", max_tokens=1)
    assert after.stats.queue_seconds < whole.stats.prompt_seconds / 4


async def test_requests_at_once_are_written_side_by_side(real_bench: Bench) -> None:
    await real_bench.instances.load("small")
    active: list[int] = []

    async def one(number: int) -> str:
        texts = []
        async for item in talk(real_bench, f"Tell a story of {number} rivers.", max_tokens=40):
            if isinstance(item, Text):
                texts.append(item.text)
                active.append(real_bench.instances.ls()[0].active)
        return "".join(texts)

    replies = await asyncio.gather(*map(one, range(4)))
    assert all(replies)
    assert max(active) == 4


@pytest.mark.alone
async def test_a_killed_worker_costs_one_stream(real_bench: Bench) -> None:
    stream = talk(real_bench, RIVERS, ignore_eos=True)
    killed = 0.0
    with pytest.raises(SamovarError) as caught:
        async for item in stream:
            if isinstance(item, Text) and not killed:
                pid = real_bench.instances.ls()[0].pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                killed = time.monotonic()
    assert time.monotonic() - killed < 1
    assert caught.value.code == FailureCode.WORKER_CRASHED
    assert (await reply(real_bench, RIVERS)).text


async def test_an_architecture_that_llama_cpp_does_not_know(
    make_bench: MakeBench, small_model: Path, tmp_path: Path
) -> None:
    data = bytearray(small_model.read_bytes())
    at = data.index(b"general.architecture") + len(b"general.architecture") + 12
    assert data[at : at + 5] == b"llama"
    data[at : at + 5] = b"lemma"
    strange = tmp_path / "strange.gguf"
    strange.write_bytes(data)
    bench = make_bench(None)
    bench.library.add("maker/strange", strange, read_header(small_model))
    with pytest.raises(SamovarError) as caught:
        await bench.instances.load("strange")
    assert caught.value.code == FailureCode.MODEL_UNSUPPORTED
    assert "lemma" in caught.value.failure.message
    assert bench.instances.ls() == []


async def test_a_file_that_is_cut_off_fails_to_load(make_bench: MakeBench, small_model: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(small_model.read_bytes()[: 4 * 1024 * 1024])
    bench = make_bench(None)
    bench.library.add("maker/short", short, read_header(small_model))
    with pytest.raises(SamovarError) as caught:
        await bench.instances.load("short")
    assert caught.value.code == FailureCode.LOAD_FAILED
    assert "not within the file bounds" in caught.value.failure.message


async def test_no_file_in_the_folder_that_the_agent_runs_in_is_taken_for_a_library(
    real_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ctypes.py").write_text("raise SystemExit('not the one that was meant')")
    monkeypatch.chdir(tmp_path)
    loaded = await real_bench.instances.load("small")
    assert loaded.instance is not None
    assert loaded.instance.state == "ready"


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="kills with a POSIX signal")
def test_no_worker_outlives_its_agent(small_model: Path, tmp_path: Path) -> None:
    """The agent is killed with a reply under way; its worker must be gone within seconds."""
    program = textwrap.dedent(
        f"""
        import asyncio
        from samovar_agent.engine.interface import Generation, LoadOptions
        from samovar_agent.engine.process import WORKER_COMMAND, WorkerEngine
        from samovar_agent.engine.worker_log import WorkerLog
        from samovar_protocol.values import Message, Sampling
        from pathlib import Path

        async def main():
            engine = WorkerEngine(WORKER_COMMAND, WorkerLog(Path({str(tmp_path)!r}), "x"))
            await engine.start()
            options = LoadOptions(path={str(small_model)!r}, context_length=512, threads=1)
            await engine.load(options, lambda progress: None)
            messages = [Message(role="user", content="Count.")]
            async for output in engine.generate(Generation(messages=messages, sampling=Sampling(ignore_eos=True))):
                print(engine.pid, flush=True)

        asyncio.run(main())
        """
    )
    agent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    pid = int(agent.stdout.readline())
    worker = psutil.Process(pid)
    assert worker.is_running()
    agent.kill()
    agent.wait()
    agent.stdout.close()
    deadline = time.monotonic() + 5
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its agent"
        time.sleep(0.05)
