"""Which models fit into memory beside each other, and who makes room."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from samovar_agent.engine.room import idle_to_make_room
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Text
from tests.samovar_agent.engine.conftest import Bench, MakeBench, header
from tests.samovar_agent.engine.talking import failure, reply, talk


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

        monkeypatch.setattr("samovar_agent.engine.room.available_bytes", available)
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

        monkeypatch.setattr("samovar_agent.engine.room.available_bytes", available)
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
        private = bench.instances.estimate("small").need_bytes - weights
        path = bench.library.files["maker/b"].info.path
        monkeypatch.setattr("samovar_agent.engine.room.available_bytes", lambda: 10**10)
        monkeypatch.setattr("samovar_agent.engine.instance.mapped_bytes", lambda pid: weights)
        monkeypatch.setattr("samovar_agent.engine.instance.resident_bytes", lambda pid: weights + private)
        stream = talk(bench, "for ever", "small")
        while not isinstance(await anext(stream), Text):
            pass
        await bench.instances.load("small", identifier="twin")
        need = bench.instances.estimate("b")
        assert need.free_bytes == 10**10 - weights
        lacking = msgspec.structs.replace(need, free_bytes=need.need_bytes - private)
        instances = bench.instances._instances.values()
        twin = idle_to_make_room(lacking, path, instances)
        assert twin is not None
        assert twin.identifier == "twin"
        more = msgspec.structs.replace(lacking, need_bytes=need.need_bytes + 1)
        assert idle_to_make_room(more, path, instances) is None
        await stream.aclose()

    async def test_another_instance_of_a_file_finds_its_weights_in_memory(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = 10**9
        bench.library.add("maker/small", head=header(tensor_bytes=weights))
        need = bench.instances.estimate("small").need_bytes
        monkeypatch.setattr(
            "samovar_agent.engine.room.available_bytes",
            lambda: 2 * need - weights - len(bench.instances.ls()) * (need - weights),
        )
        monkeypatch.setattr("samovar_agent.engine.instance.resident_bytes", lambda pid: need)
        monkeypatch.setattr("samovar_agent.engine.instance.mapped_bytes", lambda pid: weights)
        await bench.instances.load("small")
        await bench.instances.load("small", identifier="twin")
        assert [info.identifier for info in bench.instances.ls()] == ["maker/small", "twin"]
        with pytest.raises(SamovarError) as caught:
            stream = talk(bench, "for ever", "small")
            while not isinstance(await anext(stream), Text):
                pass
            other = talk(bench, "for ever", "twin")
            while not isinstance(await anext(other), Text):
                pass
            await bench.instances.load("small", identifier="third")
        assert caught.value.code == FailureCode.NOT_ENOUGH_MEMORY
        assert caught.value.failure.details["free_bytes"] == weights

    async def test_what_a_model_may_take_yet_is_not_free(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        await bench.instances.load("small")
        taken = bench.instances.estimate("b").free_bytes
        monkeypatch.setattr("samovar_agent.engine.instance.resident_bytes", lambda pid: 1_000_000)
        estimate = bench.instances.estimate("b")
        assert taken - estimate.free_bytes == estimate.cache_bytes + estimate.buffer_bytes - 1_000_000

    async def test_two_who_want_the_same_make_room_once(self, bench: Bench) -> None:
        await bench.instances.load("small")
        await bench.instances.load("b")
        await asyncio.gather(bench.instances.load("c"), bench.instances.load("c"), reply(bench, "hello", "c"))
        assert [info.identifier for info in bench.instances.ls()] == ["maker/b", "maker/c"]

    async def test_what_is_about_to_leave_makes_room(self, bench: Bench) -> None:
        streams = [talk(bench, "for ever", name) for name in ("small", "b")]
        for stream in streams:
            while not isinstance(await anext(stream), Text):
                pass
        _, loaded = await asyncio.gather(bench.instances.unload("small"), bench.instances.load("c"))
        assert loaded.instance is not None
        assert [info.identifier for info in bench.instances.ls()] == ["maker/b", "maker/c"]
        for stream in streams:
            await stream.aclose()

    async def test_nothing_is_unloaded_in_vain(self, bench: Bench) -> None:
        await bench.instances.load("small")
        bench.library.add("maker/huge", head=header(tensor_bytes=10**12))
        error = await failure(bench, "hello", "huge")
        assert error.code == FailureCode.NOT_ENOUGH_MEMORY
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
