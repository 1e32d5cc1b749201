"""Instances over workers that misbehave on demand: loading, names, replies."""

import asyncio
import time

import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply, LoadReply
from samovar_protocol.values import InstanceInfo, Progress, Text
from tests.samovar_agent.engine.conftest import MakeBench
from tests.samovar_agent.engine.talking import failure, gone, reply, talk


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


async def test_how_far_a_long_prompt_is_read_is_progress(make_bench: MakeBench) -> None:
    bench = make_bench()
    items = [item async for item in talk(bench, "a book")]
    told = [item for item in items if isinstance(item, Progress) and item.stage == "reading"]
    assert told == [Progress(stage="reading", done=done, total=1, unit="ratio") for done in (0.25, 0.5)]
    assert isinstance(items[-1], ChatReply) and items[-3:-1] == told


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


async def test_a_model_in_memory_keeps_its_names_when_its_file_is_gone(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small")
    bench.library.missing.add("maker/small")
    assert (await reply(bench, "still here", "small")).text == "still here "
    assert await bench.instances.unload("small") == "maker/small"
    with pytest.raises(SamovarError) as caught:
        await bench.instances.load("small")
    assert caught.value.code == FailureCode.MODEL_FILE_MISSING
