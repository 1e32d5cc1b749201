"""What a request says of its model: how long it stays, and how much context it must have."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from samovar_agent.engine.instances import Keep
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, InstanceInfo, Message, Progress, Sampling, Text
from tests.samovar_agent.engine.conftest import Bench, MakeBench
from tests.samovar_agent.engine.talking import gone, reply, talk

Until = Callable[[Callable[[], bool]], Awaitable[None]]


def keeping(
    bench: Bench, text: str, model: str = "small", **keep: Any
) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
    return bench.instances.generate(model, [Message(role="user", content=text)], Sampling(), keep=Keep(**keep))


async def ask(bench: Bench, text: str, model: str = "small", **keep: Any) -> ChatReply:
    last = [item async for item in keeping(bench, text, model, **keep)][-1]
    assert isinstance(last, ChatReply)
    return last


async def writing(stream: AsyncGenerator[Any, None]) -> None:
    """Until the reply has begun."""
    while not isinstance(await anext(stream), Text):
        pass


def only(bench: Bench) -> InstanceInfo:
    (info,) = bench.instances.ls()
    return info


async def test_no_time_at_all_unloads_after_the_reply(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    assert (await ask(bench, "one", ttl_seconds=0)).text == "one "
    await until(lambda: bench.instances.ls() == [])
    await bench.instances.load("small")  # for good, which a request may change
    await ask(bench, "two", ttl_seconds=0)
    await until(lambda: bench.instances.ls() == [])
    assert bench.states[-2:] == ["unloading", "stopped"]


async def test_a_time_holds_from_now_on_and_without_one_it_stays_as_it_was(make_bench: MakeBench) -> None:
    bench = make_bench()
    await ask(bench, "one", ttl_seconds=1000)
    assert only(bench).ttl_seconds == 1000
    await ask(bench, "two")
    assert only(bench).ttl_seconds == 1000
    await ask(bench, "three", ttl_seconds=None)
    assert only(bench).ttl_seconds is None


async def test_no_time_at_all_waits_for_the_others(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    other = talk(bench, "for ever", "small")
    await writing(other)
    assert (await ask(bench, "one", ttl_seconds=0)).text == "one "
    assert only(bench).state == "ready" and only(bench).active == 1
    await other.aclose()
    await until(lambda: bench.instances.ls() == [])


async def test_more_context_loads_it_anew_and_less_is_served_as_it_is(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small", context=512, ttl_seconds=500)
    first = only(bench).pid
    await ask(bench, "one", context=256)
    await ask(bench, "two", context=512)
    await ask(bench, "three")
    assert (only(bench).pid, only(bench).context_length) == (first, 512)
    assert (await ask(bench, "four", context=1024)).text == "four "
    assert only(bench).context_length == 1024 and gone(first)
    assert only(bench).ttl_seconds == 500, "whoever loaded it said so"
    await ask(bench, "five", context=2048, ttl_seconds=7)
    assert (only(bench).context_length, only(bench).ttl_seconds) == (2048, 7)


async def test_loading_with_more_context_loads_it_anew(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small", context=512, ttl_seconds=500)
    first = only(bench).pid
    assert not (await bench.instances.load("small", context=1024)).already_loaded
    assert gone(first)
    assert (only(bench).context_length, only(bench).ttl_seconds) == (1024, 500)
    assert not (await bench.instances.load("small", context=2048, ttl_seconds=7)).already_loaded
    assert (only(bench).context_length, only(bench).ttl_seconds) == (2048, 7)
    assert (await bench.instances.load("small", context=1024, ttl_seconds=9)).already_loaded
    assert only(bench).ttl_seconds == 7, "one that stays is as it was loaded"


async def test_an_instance_with_a_name_of_its_own_keeps_it(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small", context=512, identifier="mine")
    await ask(bench, "one", "mine", context=1024)
    assert (only(bench).identifier, only(bench).model, only(bench).context_length) == ("mine", "maker/small", 1024)


async def test_more_context_never_takes_a_model_from_who_uses_it(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small", context=512)
    other = talk(bench, "for ever", "small")
    await writing(other)
    with pytest.raises(SamovarError) as caught:
        await ask(bench, "one", context=1024)
    assert caught.value.code == FailureCode.MODEL_IN_USE
    assert "512" in str(caught.value) and "1,024" in str(caught.value)
    assert (only(bench).state, only(bench).active) == ("ready", 1)
    await other.aclose()
    assert (await ask(bench, "two", context=1024)).text == "two "


@pytest.mark.parametrize(("context", "code"), [(4097, FailureCode.BAD_REQUEST), (4096, FailureCode.NOT_ENOUGH_MEMORY)])
async def test_what_cannot_be_had_leaves_it_in_memory(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, context: int, code: str
) -> None:
    bench = make_bench()
    await bench.instances.load("small", context=512)
    pid = only(bench).pid
    monkeypatch.setattr("samovar_agent.engine.room.available_bytes", lambda: 0)
    monkeypatch.setattr("samovar_agent.engine.instance.resident_bytes", lambda pid: 0)
    monkeypatch.setattr("samovar_agent.engine.instance.mapped_bytes", lambda pid: 0)
    with pytest.raises(SamovarError) as caught:
        await ask(bench, "one", context=context)
    assert caught.value.code == code
    assert (only(bench).pid, only(bench).state) == (pid, "ready")


async def test_many_at_once_share_the_larger_one(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small", context=512)
    replies = await asyncio.gather(*(ask(bench, f"n{number}", context=1024) for number in range(8)))
    assert [answer.text for answer in replies] == [f"n{number} " for number in range(8)]
    assert bench.states.count("starting") == 2


async def test_releasing_is_at_once_where_nobody_uses_it(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small")
    pid = only(bench).pid
    await bench.instances.release("small")
    assert bench.instances.ls() == [] and gone(pid)
    await bench.instances.release("small")  # nothing to do
    with pytest.raises(SamovarError) as caught:
        await bench.instances.release("nobody")
    assert caught.value.code == FailureCode.MODEL_UNKNOWN


async def test_releasing_waits_for_who_uses_it(make_bench: MakeBench, until: Until) -> None:
    bench = make_bench()
    other = talk(bench, "for ever", "small")
    await writing(other)
    await bench.instances.release("small")
    assert only(bench).state == "ready"
    assert (await reply(bench, "meanwhile", "small")).text == "meanwhile "
    await other.aclose()
    await until(lambda: bench.instances.ls() == [])
