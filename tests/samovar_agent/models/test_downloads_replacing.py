"""Downloads to a place where a model lies already."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.network.partial_file import JOURNAL, PARTIAL
from samovar_protocol import FailureCode
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.download_shop import FILE, KEY, Shop, content, failure, leave, model_bytes, shop, until

__all__ = ["content", "hub_server", "shop"]


class TestWhatLiesThere:
    """Another file is where the download would go."""

    @pytest.mark.parametrize("more", [0, 32])
    async def test_one_that_was_imported_is_not_overwritten(self, shop: Shop, tmp_path: Path, more: int) -> None:
        data = model_bytes(tmp_path, 9) + bytes(more)
        (tmp_path / FILE).write_bytes(data)
        await shop.home.import_(tmp_path / FILE, "move", KEY)
        if more:
            assert (await failure(shop.start())).code == FailureCode.BAD_REQUEST
        else:
            assert (await shop.get()).already_present  # of this name and size, and nobody knows its digest
        assert (shop.folder / FILE).read_bytes() == data

    async def test_one_that_verify_found_changed_is_repaired(self, shop: Shop, content: bytes) -> None:
        await shop.get()
        with (shop.folder / FILE).open("r+b") as file:
            file.seek(-5, os.SEEK_END)
            file.write(b"XXXXX")
        (found,) = await shop.home.verify("tiny")
        assert found.outcome == "changed"
        assert (await shop.get()).model
        assert (shop.folder / FILE).read_bytes() == content
        assert (await shop.get()).already_present

    async def test_a_repair_that_was_left_goes_on(self, shop: Shop, content: bytes) -> None:
        await shop.get()
        with (shop.folder / FILE).open("r+b") as file:
            file.seek(-5, os.SEEK_END)
            file.write(b"XXXXX")
        await shop.home.verify("tiny")
        shop.told.clear()
        await leave(await shop.midway())
        shop.slow(None)
        assert (await shop.get()).model
        assert (shop.folder / FILE).read_bytes() == content

    async def test_an_update_takes_its_place(self, shop: Shop, tmp_path: Path) -> None:
        await shop.get()
        newer = model_bytes(tmp_path, 2)
        shop.add("tiny", {FILE: newer})
        assert (await shop.get()).model
        assert (shop.folder / FILE).read_bytes() == newer
        assert shop.left() == ["Tiny", FILE, "acme"]

    async def test_an_update_that_is_no_model_leaves_it(self, shop: Shop, content: bytes) -> None:
        await shop.get()
        shop.add("tiny", {FILE: b"no model" * 100})
        assert (await failure(shop.start())).code == FailureCode.MODEL_FILE_BROKEN
        await self.is_as_before(shop, content)

    async def test_an_update_that_is_no_model_before_a_kill(self, shop: Shop, content: bytes) -> None:
        await shop.get()
        shop.add("tiny", {FILE: b"no model" * 100})
        reached, real = asyncio.Event(), shop.home.library.add

        async def never(*_: object, **__: object) -> Any:
            reached.set()
            await asyncio.sleep(3600)

        shop.home.library.add = never  # type: ignore[method-assign]
        await shop.get(background=True)
        await reached.wait()
        assert (shop.folder / FILE).read_bytes() != content
        (job,) = [job for job in shop.downloads._jobs.values() if job.finishing]
        shop.home.library.add = real  # type: ignore[method-assign]
        rows = await shop.home.store.downloads.ls()
        kept = {path: path.read_bytes() for path in shop.folder.iterdir()}
        assert job.finishing
        job.finishing.cancel()
        await shop.downloads.close()
        assert {path: path.read_bytes() for path in shop.folder.iterdir()} == kept
        for row in rows:
            await shop.home.store.downloads.change(row.id, state=row.state)
        shop.downloads = shop.made()
        await shop.downloads.open()
        await until(lambda: not any(job.task for job in shop.downloads._jobs.values()))
        await self.is_as_before(shop, content)

    @pytest.mark.parametrize("links", [True, False])
    async def test_an_update_that_is_cancelled_leaves_it(
        self, shop: Shop, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
    ) -> None:
        await shop.get()
        shop.told.clear()
        if not links:
            monkeypatch.setattr(os, "link", refused)
        shop.add("tiny", {FILE: model_bytes(tmp_path, 2)})
        await leave(await shop.midway())
        async with asyncio.timeout(20):
            while (newest := (await shop.downloads.ls())[0]).state != "paused":
                await asyncio.sleep(0.01)
        assert (shop.folder / FILE).read_bytes() == content
        assert shop.left() == ["Tiny", FILE, f"{FILE}{PARTIAL}", f"{FILE}{JOURNAL}", "acme"]
        await shop.downloads.cancel(newest.id)
        await self.is_as_before(shop, content)

    async def test_cancelled_after_a_kill_the_old_one_is_back(self, shop: Shop, content: bytes, tmp_path: Path) -> None:
        await shop.get()
        shop.told.clear()
        shop.add("tiny", {FILE: model_bytes(tmp_path, 2)})
        await leave(await shop.midway())
        (shop.folder / FILE).rename(shop.folder / f"{FILE}.replaced")
        (shop.folder / FILE).write_bytes(b"nobody has looked at it yet")
        await shop.downloads.cancel((await shop.downloads.ls())[0].id)
        await self.is_as_before(shop, content)

    async def test_without_hard_links(self, shop: Shop, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "link", refused)
        await self.test_an_update_that_is_no_model_leaves_it(shop, content)

    async def test_removed_while_its_update_comes_it_stays_away(
        self, shop: Shop, content: bytes, tmp_path: Path
    ) -> None:
        await shop.get()
        shop.told.clear()
        shop.add("tiny", {FILE: model_bytes(tmp_path, 2)})
        work = await shop.midway()
        assert (await shop.home.library.rm(f"{KEY}@F16")).freed_bytes == len(content)
        await leave(work)
        assert not any(name in shop.left() for name in (FILE, f"{FILE}.replaced"))

    async def is_as_before(self, shop: Shop, content: bytes) -> None:
        assert (shop.folder / FILE).read_bytes() == content
        assert shop.left() == ["Tiny", FILE, "acme"]
        await shop.home.library.refresh()
        (info,) = shop.home.library.ls()
        assert (info.key, info.state, info.sha256) == (KEY, "ready", hashlib.sha256(content).hexdigest())


def refused(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")
