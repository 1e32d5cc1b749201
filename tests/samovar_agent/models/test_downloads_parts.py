"""Downloads of models in several files, and room on the disk."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from samovar_agent.network.partial_file import PARTIAL
from samovar_protocol import FailureCode
from samovar_protocol.values import Progress
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.download_shop import KEY, Shop, content, failure, leave, removed, scanned, shop, until
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf

__all__ = ["content", "hub_server", "shop"]


class TestParts:
    @pytest.fixture
    def parts(self, shop: Shop, tmp_path: Path) -> dict[str, bytes]:
        contents = {}
        for number in (1, 2):
            metadata = llama(**{"split.no": number - 1, "split.count": 2, "split.tensors.count": 2})
            path = write_gguf(tmp_path / f"{number}.gguf", metadata, [(f"w{number}", (250_000,), F16)])
            contents[f"Tiny-F16-0000{number}-of-00002.gguf"] = path.read_bytes()
        shop.add("tiny", contents)
        return contents

    async def test_come_as_one_model(self, shop: Shop, parts: dict[str, bytes]) -> None:
        reply = await shop.get()
        assert reply.model is not None
        assert (reply.model.key, reply.model.state, reply.model.parts) == (KEY, "ready", 2)
        assert {path.name: path.read_bytes() for path in shop.folder.iterdir()} == parts
        assert (await shop.only()).progress == Progress(
            stage="done", done=sum(map(len, parts.values())), total=sum(map(len, parts.values()))
        )
        assert (await shop.get()).already_present

    async def test_what_is_here_is_not_fetched_again(self, shop: Shop, parts: dict[str, bytes]) -> None:
        shop.slow(500_000)
        work = shop.start()
        first, second = parts
        await until(lambda: (shop.folder / f"{second}{PARTIAL}").exists())
        await leave(work)
        await shop.until_state("paused")
        assert (shop.folder / first).read_bytes() == parts[first]
        shop.slow(None)
        sent = shop.sent()
        assert (await shop.get()).model
        assert shop.sent() - sent <= len(parts[second])

    async def test_cancelled_between_two_nothing_stays(self, shop: Shop, parts: dict[str, bytes]) -> None:
        shop.slow(500_000)
        work = shop.start()
        await until(lambda: (shop.folder / next(iter(parts))).exists())
        await shop.downloads.cancel((await shop.only()).id)
        assert (await failure(work)).code == FailureCode.CANCELLED
        assert shop.left() == []

    @pytest.mark.parametrize("number", [0, 1])
    async def test_an_update_of_one_that_is_no_model_leaves_all(
        self, shop: Shop, parts: dict[str, bytes], number: int
    ) -> None:
        await shop.get()
        name = list(parts)[number]
        before = {**parts, name: parts[name][:-1] + b"X"}
        (shop.folder / name).write_bytes(before[name])
        (found,) = await shop.home.verify("tiny")
        assert found.outcome == "changed"
        shop.add("tiny", {**parts, name: b"no model" * 100})
        assert (await failure(shop.start())).code == FailureCode.MODEL_FILE_BROKEN
        assert {path.name: path.read_bytes() for path in shop.folder.iterdir()} == before

    async def test_removed_while_they_come_nothing_stays(self, shop: Shop, parts: dict[str, bytes]) -> None:
        shop.slow(300_000)
        work = shop.start()
        await until(lambda: (shop.folder / f"{list(parts)[1]}{PARTIAL}").exists())
        await shop.home.library.refresh()
        await removed(shop, "tiny")
        assert (await failure(work)).code == FailureCode.CANCELLED
        assert shop.left() == []
        assert await scanned(shop) == []


class TestRoom:
    async def test_too_little_is_told_before_anything_is_fetched(
        self, shop: Shop, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = SimpleNamespace(free=len(content) + (64 << 20) - 1)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
        error = await failure(shop.start())
        assert error.code == FailureCode.DISK_FULL
        assert error.failure.details == {"need_bytes": len(content), "free_bytes": room.free}
        assert shop.hub.seen == []
        room.free += 1
        assert (await shop.get()).model

    async def test_what_is_here_needs_none(self, shop: Shop, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        await leave(await shop.midway())
        paused = await shop.until_state("paused")
        assert paused.progress is not None
        free = len(content) - int(paused.progress.done) + (64 << 20)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        shop.slow(None)
        assert (await shop.get()).model

    async def test_a_disk_that_fills_up_midway(
        self, shop: Shop, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from samovar_agent.network import partial_file

        real = partial_file._write_all
        room = 400_000

        def write(write: Callable[[memoryview], int | None], data: memoryview) -> None:
            nonlocal room
            room -= len(data)
            if room < 0:
                raise OSError(28, "No space left on device")
            real(write, data)

        monkeypatch.setattr(partial_file, "_write_all", write)
        monkeypatch.setattr("samovar_agent.network.range_requests._WRITE_BYTES", 100_000)
        assert (await failure(shop.start())).code == FailureCode.DISK_FULL
        assert (await shop.only()).state == "failed"
        room, sent = 10_000_000, shop.sent()
        shop.slow(100e6)
        assert (await shop.get()).model
        assert 0 < shop.sent() - sent < len(content)
