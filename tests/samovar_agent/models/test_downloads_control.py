"""Pausing, resuming, cancelling and leaving downloads, at any moment."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.network.partial_file import PARTIAL
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import DownloadChanged
from samovar_protocol.values import Progress
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.download_shop import (
    FILE,
    KEY,
    Shop,
    content,
    failure,
    leave,
    model_bytes,
    removed,
    shop,
    until,
)
from tests.samovar_agent.models.gguf_files import write_gguf

__all__ = ["content", "hub_server", "shop"]


class TestControl:
    async def test_paused_and_resumed(self, shop: Shop, content: bytes) -> None:
        work = await shop.midway()
        id_ = (await shop.only()).id
        assert (await shop.downloads.pause(id_)).state == "paused"
        error = await failure(work)
        assert error.code == FailureCode.CANCELLED
        assert str(id_) in error.hint
        sent, here = shop.sent(), (shop.folder / f"{FILE}{PARTIAL}").stat().st_size
        shop.slow(None)
        await shop.downloads.resume(id_)
        await shop.until_state("done")
        assert shop.sent() - sent <= len(content) - here
        assert shop.home.keys() == [KEY]

    async def test_cancelled_nothing_stays(self, shop: Shop) -> None:
        work = await shop.midway()
        id_ = (await shop.only()).id
        assert (await shop.downloads.cancel(id_)).state == "cancelled"
        assert (await failure(work)).code == FailureCode.CANCELLED
        assert shop.left() == []
        assert shop.home.library.ls() == []
        shop.slow(None)
        assert (await shop.get()).model
        assert [download.state for download in await shop.downloads.ls()] == ["done", "cancelled"]

    async def test_by_its_file(self, shop: Shop) -> None:
        work = await shop.midway()
        await shop.home.library.refresh()
        (partial,) = shop.home.library.ls()
        assert not await shop.downloads.cancel_of(shop.folder / "other.gguf.partial")
        assert await shop.downloads.cancel_of(Path(partial.path))
        assert (await failure(work)).code == FailureCode.CANCELLED
        assert shop.left() == []

    async def test_removed_it_takes_no_other_along(self, shop: Shop) -> None:
        other = write_gguf(shop.home.places.models / "big-acme" / "Tiny-2b" / "x.gguf")
        work = await shop.midway()
        await shop.home.library.refresh()
        assert (await removed(shop, KEY)).freed_bytes
        assert (await failure(work)).code == FailureCode.CANCELLED
        assert other.exists()
        assert shop.left() == ["Tiny-2b", "big-acme", "x.gguf"]

    async def test_a_paused_one_stays_so_over_a_restart_until_cancelled(self, shop: Shop) -> None:
        await leave(await shop.midway())
        before = await shop.until_state("paused")
        await shop.restart()
        assert await shop.only() == before
        await shop.downloads.cancel(before.id)
        assert shop.left() == []

    async def test_what_is_over_cannot_be_changed(self, shop: Shop) -> None:
        await shop.get()
        id_ = (await shop.only()).id
        for change in (shop.downloads.pause, shop.downloads.resume, shop.downloads.cancel):
            with pytest.raises(SamovarError) as caught:
                await change(id_)
            assert caught.value.code == FailureCode.BAD_REQUEST
            with pytest.raises(SamovarError) as caught:
                await change(99)
            assert caught.value.code == FailureCode.NOT_FOUND
        assert shop.home.keys() == [KEY]

    async def test_pause_and_resume_at_every_moment(self, shop: Shop, content: bytes) -> None:
        shop.slow(3e6)
        chance = random.Random(3)
        id_ = (await shop.get(background=True)).download
        assert id_ is not None
        while (await shop.only()).state != "done":
            await asyncio.sleep(chance.random() * 0.05)
            try:
                await shop.downloads.pause(id_.id)
                await shop.downloads.resume(id_.id)
            except SamovarError as error:
                assert error.code == FailureCode.BAD_REQUEST
        assert (shop.folder / FILE).read_bytes() == content
        assert shop.left() == ["Tiny", FILE, "acme"]

    @pytest.mark.parametrize(("change", "state"), [("pause", "paused"), ("cancel", "cancelled")])
    async def test_who_asked_may_leave(self, shop: Shop, change: str, state: str) -> None:
        work = await shop.midway()
        asking = asyncio.create_task(getattr(shop.downloads, change)((await shop.only()).id))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await shop.until_state(state)
        assert (await failure(work)).code == FailureCode.CANCELLED

    async def test_two_run_and_the_most_important_is_next(self, shop: Shop, tmp_path: Path) -> None:
        names = ["a", "b", "c", "d"]
        for seed, name in enumerate(names):
            shop.add(name, {f"{name}.gguf": model_bytes(tmp_path, seed)})
        shop.slow()
        told = list[Progress]()
        works = [shop.start("a"), shop.start("b")]
        await until(lambda: len(shop.states()) >= 2)
        works.append(shop.start("c", on_progress=told.append))
        await until(lambda: told)
        assert told[0] == Progress(stage="queued", done=2, unit="requests")
        works.append(shop.start("d", priority=5))
        await asyncio.gather(*works)
        running = [
            event.download.name
            for event in shop.home.published
            if isinstance(event, DownloadChanged) and event.download.state == "running"
        ]
        assert list(dict.fromkeys(running))[2:] == ["acme/D@F16", "acme/C@F16"]
        assert await most_at_once(shop) == 2


async def most_at_once(shop: Shop) -> int:
    states: dict[int, str] = {}
    most = 0
    for event in shop.home.published:
        if isinstance(event, DownloadChanged):
            states[event.download.id] = event.download.state
            most = max(most, list(states.values()).count("running"))
    return most


class TestLeaving:
    async def test_at_any_moment_pauses_it(self, shop: Shop) -> None:
        for moment in range(60):
            work = shop.start()
            for _ in range(moment):
                await asyncio.sleep(0)
            await leave(work)
            async with asyncio.timeout(20):
                while any(row.state not in ("paused", "done", "cancelled") for row in await shop.downloads.ls()):
                    await asyncio.sleep(0.01)
            for row in await shop.downloads.ls():
                if row.state == "paused":
                    await shop.downloads.cancel(row.id)

    async def test_while_its_row_is_written(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        real, reached = shop.home.store.downloads.ls, asyncio.Event()

        async def slow() -> Any:
            reached.set()
            await asyncio.sleep(0.1)
            return await real()

        monkeypatch.setattr(shop.home.store.downloads, "ls", slow)
        work = shop.start()
        await reached.wait()
        await leave(work)
        monkeypatch.undo()
        await shop.until_state("paused")
