"""Models and their workers in the running agent: crashes, refusals, files that are not what they seem."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samovar import Client, SamovarError
from samovar.requests import Chat, Import, Load, Ls, Message, Ping, Ps, Request, Rm, Sampling, Unload
from samovar_protocol import FailureCode
from samovar_protocol.events import InstanceChanged
from samovar_protocol.replies import ChatReply
from tests.processes.agent import (
    PATIENCE,
    AgentProcess,
    alive,
    endless,
    first_text,
    import_model,
    reply_to,
    short,
    soon,
)
from tests.samovar_agent.models.gguf_files import llama, write_gguf
from tests.tiny_models.build import Kind

pytestmark = [pytest.mark.processes]


@pytest.fixture
async def idle(stocked: AgentProcess) -> AgentProcess:
    """The shared agent with nothing in memory, for what ends no process but by the agent's own doing."""
    async with stocked.client() as client:
        await client.call(Unload(all=True))
    return stocked


async def failure_of(agent: AgentProcess, request: Request[Any]) -> SamovarError:
    async with agent.client() as client:
        with pytest.raises(SamovarError) as raised:
            await client.call(request)
        await client.call(Ping())
    assert raised.value.failure.message
    return raised.value


@pytest.mark.model
async def test_load_chat_unload(idle: AgentProcess) -> None:
    async with idle.client() as client, client.events() as events:
        async with client.stream(Load(name="smollm2-135m", context=1024)) as stream:
            progress = [piece.done async for piece in stream]
        assert progress == sorted(progress)
        instance = stream.reply.instance
        assert instance is not None
        assert (instance.state, instance.context_length) == ("ready", 1024)
        one, two = await reply_to(client, short()), await reply_to(client, short())
        assert one == two
        await client.call(Unload(all=True))
        assert (await client.call(Ps())).instances == []
        states = []
        async for message in events:
            if isinstance(message.event, InstanceChanged):
                states.append(message.event.instance.state)
                if states[-1] == "stopped":
                    break
        assert [state for number, state in enumerate(states) if state not in states[:number]] == [
            "starting",
            "loading",
            "ready",
            "unloading",
            "stopped",
        ]
    assert idle.workers() == []


@pytest.mark.model
@pytest.mark.alone
async def test_kill_9_of_a_worker_in_mid_stream(loaded: AgentProcess) -> None:
    async with loaded.client() as client:
        async with client.stream(endless()) as stream:
            await first_text(stream)
            [worker] = loaded.workers()
            worker.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            with pytest.raises(SamovarError) as raised:
                async for _ in stream:
                    pass
            # A promise to users, not a measurement: the error must come by itself, not from some later time-out.
            assert time.monotonic() - killed < 1.0
        assert raised.value.code == FailureCode.WORKER_CRASHED
        assert "SIGKILL" in raised.value.failure.message
        assert await reply_to(client, short())
        assert len(loaded.workers()) == 1


@pytest.mark.model
@pytest.mark.alone
async def test_a_worker_that_hangs_is_replaced(loaded: AgentProcess) -> None:
    assert loaded.cli("config", "set", "engine.hang_seconds", "2").returncode == 0
    async with loaded.client() as client:
        async with client.stream(endless()) as stream:
            await first_text(stream)
            [worker] = loaded.workers()
            worker.suspend()
            stopped = time.monotonic()
            with pytest.raises(SamovarError) as raised:
                async for _ in stream:
                    pass
        # The limit is a promise, and so is that nobody is killed before it; the rest is room for a busy machine.
        assert 2 <= time.monotonic() - stopped < 6
        assert raised.value.code == FailureCode.WORKER_CRASHED
        assert "stopped answering" in raised.value.failure.message
        assert raised.value.hint
        assert await reply_to(client, short())
        [other] = loaded.workers()
        assert other.pid != worker.pid
        assert not alive(worker)


@pytest.mark.model
@pytest.mark.alone
async def test_whoever_waits_for_a_hung_worker_is_answered(loaded: AgentProcess) -> None:
    """Those it writes for, those it reads a prompt for, those that wait in its queue, and those that come then."""
    assert loaded.cli("config", "set", "engine.hang_seconds", "2").returncode == 0

    async def ended(client: Client, request: Chat) -> SamovarError | ChatReply:
        try:
            return await client.call(request)
        except SamovarError as error:
            return error

    async with loaded.client() as client, client.stream(endless()) as stream:
        await first_text(stream)
        [worker] = loaded.workers()
        long = Chat(messages=[Message(role="user", content="word " * 3000)], sampling=Sampling(max_tokens=1))
        before = [asyncio.create_task(ended(client, one)) for one in [long] + [endless()] * 40]
        async with asyncio.timeout(30):
            while (await client.call(Ps())).instances[0].queued == 0:
                await asyncio.sleep(0.01)
        worker.suspend()
        stopped = time.monotonic()
        late = [asyncio.create_task(ended(client, short())) for _ in range(5)]
        with pytest.raises(SamovarError) as raised:
            async for _ in stream:
                pass
        errors = [raised.value, *await asyncio.gather(*before)]
        assert time.monotonic() - stopped < 6
        assert {error.code for error in errors if isinstance(error, SamovarError)} == {FailureCode.WORKER_CRASHED}
        assert all(isinstance(error, SamovarError) for error in errors)
        for one in await asyncio.gather(*late):
            assert isinstance(one, ChatReply) or one.code == FailureCode.WORKER_CRASHED
        assert await reply_to(client, short())
        assert worker.pid not in [other.pid for other in loaded.workers()]
        assert len(loaded.workers()) == 1


@pytest.mark.alone
async def test_requests_racing_an_unload_by_time_all_get_their_reply(
    agent: AgentProcess, tiny_model: Callable[[Kind], Path]
) -> None:
    assert agent.cli("config", "set", "models.ttl_minutes", "0.0005").returncode == 0
    workers: set[int] = set()
    texts: list[str] = []
    async with agent.client() as client:
        chat = short(await import_model(client, tiny_model("llama")))
        for turn in range(10):
            tasks = [asyncio.create_task(reply_to(client, chat)) for _ in range(20)]
            texts.append(await tasks[0])
            workers.update(worker.pid for worker in agent.workers())
            texts += await asyncio.gather(*tasks[1:])
            await asyncio.sleep(0.02 + 0.005 * turn)  # about as long as it stays
        assert len(texts) == 200
        assert set(texts) == {texts[0]}
        assert len(workers) > 2, "or nothing raced"
        await soon(lambda: not agent.workers())
        deadline = time.monotonic() + PATIENCE
        while (await client.call(Ps())).instances:  # the agent hears of a worker's end a moment later
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


@pytest.mark.model
async def test_a_worker_that_hangs_does_not_keep_the_agent_from_ending(loaded: AgentProcess) -> None:
    async with loaded.client() as client:
        assert await reply_to(client, short())
    [worker] = loaded.workers()
    worker.suspend()
    assert loaded.cli("down").returncode == 0
    await soon(lambda: not alive(worker))


@pytest.mark.model
async def test_a_client_that_disconnects_stops_its_generation(idle: AgentProcess) -> None:
    async with idle.client() as watcher:
        async with idle.client() as client, client.stream(endless()) as stream:
            await first_text(stream)
        async with asyncio.timeout(10):
            while (await watcher.call(Ps())).instances[0].active:
                await asyncio.sleep(0.01)
        assert await reply_to(watcher, short())


@pytest.mark.model
async def test_an_unknown_name_is_never_answered_by_another_model(idle: AgentProcess) -> None:
    async with idle.client() as client:
        await client.call(short())
        with pytest.raises(SamovarError) as raised:
            await client.call(short("gpt-99"))
        assert raised.value.code == FailureCode.MODEL_UNKNOWN


@pytest.mark.model
async def test_a_model_in_memory_is_not_removed(idle: AgentProcess) -> None:
    async with idle.client() as client:
        await client.call(Load(name="smollm2-135m", context=256))
        with pytest.raises(SamovarError) as raised:
            await client.call(Rm(name="smollm2-135m"))
        assert raised.value.code == FailureCode.MODEL_IN_USE
        await client.call(Unload(all=True))
        assert (await client.call(Rm(name="smollm2-135m"))).freed_bytes == 0  # it lies elsewhere and was only linked
        assert (await client.call(Ls())).models == []


@pytest.mark.model
async def test_two_loads_at_once_share_one_worker(idle: AgentProcess) -> None:
    async with idle.client() as one, idle.client() as two:
        name = (await one.call(Ls())).models[0].key
        replies = await asyncio.gather(one.call(Load(name=name)), two.call(Load(name=name)))
        assert len(idle.workers()) == 1
        assert len({reply.instance.pid for reply in replies if reply.instance}) == 1


@pytest.mark.model
async def test_an_over_long_prompt_says_both_counts(idle: AgentProcess) -> None:
    async with idle.client() as client:
        await client.call(Load(name="smollm2-135m", context=256))
    error = await failure_of(
        idle, Chat(messages=[Message(role="user", content="word " * 1000)], sampling=Sampling(max_tokens=1))
    )
    assert error.code == FailureCode.CONTEXT_OVERFLOW
    assert error.failure.details["context_length"] == 256
    prompt_tokens = error.failure.details["prompt_tokens"]
    assert isinstance(prompt_tokens, int)
    assert prompt_tokens > 1000
    assert str(prompt_tokens) in error.failure.message.replace(",", "")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, FailureCode.MODEL_FILE_MISSING),
        (b"", FailureCode.MODEL_FILE_BROKEN),
        (b"PK\x03\x04 this is a zip file" * 100, FailureCode.MODEL_FILE_BROKEN),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 16, FailureCode.MODEL_FILE_BROKEN),
    ],
)
async def test_files_that_are_no_models_are_refused(
    standing: AgentProcess, tmp_path: Path, content: bytes | None, code: str
) -> None:
    path = tmp_path / "m.gguf"
    if content is not None:
        path.write_bytes(content)
    error = await failure_of(standing, Import(path=str(path)))
    assert error.code == code
    assert error.hint


@pytest.mark.model
async def test_a_truncated_model_is_shown_as_partial_and_not_loaded(agent: AgentProcess, small_model: Path) -> None:
    folder = agent.places.models / "ada" / "half"
    folder.mkdir(parents=True)
    data = small_model.read_bytes()
    (folder / "half.gguf").write_bytes(data[: len(data) // 2])
    [model] = agent.json("ls")["models"]
    assert (model["state"], model["key"]) == ("partial", "ada/half")
    error = await failure_of(agent, Load(name="half"))
    assert error.code == FailureCode.MODEL_FILE_BROKEN
    assert agent.workers() == []


@pytest.mark.model
async def test_a_model_that_vanished_is_shown_as_missing(
    agent: AgentProcess, small_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere" / "m.gguf"
    path.parent.mkdir()
    path.hardlink_to(small_model) if path.parent.stat().st_dev == small_model.stat().st_dev else path.symlink_to(
        small_model
    )
    async with agent.client() as client:
        name = await import_model(client, path)
    path.unlink()
    [model] = agent.json("ls")["models"]
    assert model["state"] == "missing"
    assert (await failure_of(agent, Load(name=name))).code == FailureCode.MODEL_FILE_MISSING


async def test_a_model_larger_than_memory_is_refused_before_loading(agent: AgentProcess, tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    write_gguf(path, llama(), [("blk.0.weight", (1 << 38,), 0)])
    async with agent.client() as client:
        name = await import_model(client, path)
        with pytest.raises(SamovarError) as raised:
            await client.call(Load(name=name))
    error = raised.value
    assert error.code == FailureCode.NOT_ENOUGH_MEMORY
    need, free = error.failure.details["need_bytes"], error.failure.details["free_bytes"]
    assert isinstance(need, int)
    assert isinstance(free, int)
    assert need >= 1 << 40
    assert 0 < free < need
    assert agent.workers() == []


@pytest.mark.model
async def test_no_client_loses_by_anothers_crash(loaded: AgentProcess) -> None:
    async with loaded.client() as client:
        await client.call(Load(name="smollm2-135m", identifier="one", context=512))
        await client.call(Load(name="smollm2-135m", identifier="two", context=512))
        async with client.stream(endless("one")) as lost, client.stream(endless("two")) as kept:
            await first_text(lost)
            await first_text(kept)
            pids = {instance.identifier: instance.pid for instance in (await client.call(Ps())).instances}
            [worker] = [worker for worker in loaded.workers() if worker.pid == pids["one"]]
            worker.kill()
            with pytest.raises(SamovarError):
                async for _ in lost:
                    pass
            await soon(lambda: not alive(worker))
            for _ in range(20):
                await first_text(kept)
