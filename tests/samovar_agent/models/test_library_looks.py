"""Looking at a library's folders again, and what is kept of their headers."""

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from samovar_agent.models import gguf, headers
from samovar_agent.models.scan import Scanner
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.library_files import Held, ours


class TestLooks:
    async def test_one_whose_client_left_is_not_lost(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        held = Held(monkeypatch, Scanner, "look")
        asking = asyncio.create_task(home.library.refresh())
        await held.begun()
        asking.cancel()
        await asyncio.sleep(0)
        held.go()
        await asyncio.gather(asking, return_exceptions=True)
        assert held.ended == 1
        await home.library.refresh()
        assert home.keys() == ["Acme/Tiny"]

    async def test_two_do_not_overlap(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        held = Held(monkeypatch, Scanner, "look")
        asking = asyncio.create_task(home.library.refresh())
        await held.begun()
        asking.cancel()
        again = asyncio.create_task(home.library.refresh())
        await asyncio.sleep(0.1)
        held.go()
        await asyncio.gather(asking, again, return_exceptions=True)
        assert held.most == 1


class TestHeaderCache:
    async def test_headers_are_not_read_again_after_a_restart(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        before = home.library.ls()

        def unexpected(path: Path) -> NoReturn:
            raise AssertionError(f"{path} was read")

        monkeypatch.setattr(gguf, "open_gguf", unexpected)
        library = await home.restarted()
        assert library.ls() == before
        assert library.find("tiny").header.context_length == 512

    @pytest.mark.parametrize(
        "data", [b"", b"{}", b"\xff\xfe", b'{"format": 1, "headers": {"a": [1, 2, {}]}}', b"[" * 5000]
    )
    async def test_a_damaged_cache_is_made_anew(self, home: Home, data: bytes) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        (home.places.data / "headers.json").write_bytes(data)
        assert [model.key for model in (await home.restarted()).ls()] == ["Acme/Tiny"]
        assert len((home.places.data / "headers.json").read_bytes()) > 500

    async def test_what_is_gone_is_forgotten(self, home: Home) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        await home.library.rm("tiny")
        assert b"Tiny" not in (home.places.data / "headers.json").read_bytes()


class Looks:
    """How often the disk was looked at. - folders: listed. - headers: read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders = self.headers = 0
        scandir, read = os.scandir, gguf.read_header

        def listed(path: str) -> Any:
            self.folders += 1
            return scandir(path)

        def opened(path: Path) -> gguf.GgufHeader:
            self.headers += 1
            return read(path)

        monkeypatch.setattr(os, "scandir", listed)
        monkeypatch.setattr(headers, "read_header", opened)

    def since(self) -> tuple[int, int]:
        """(folders, headers) since the last question."""
        seen, self.folders, self.headers = (self.folders, self.headers), 0, 0
        return seen


class TestTenThousand:
    """Nothing is looked at twice; how long that takes is `python -m tests.bench library`."""

    FOLDERS = 1 + 100 + 2500  # ours, publishers, names

    @pytest.fixture
    def tree(self, home: Home) -> None:
        data = ours(home, "Acme/Tiny/x.gguf").read_bytes()
        shutil.rmtree(home.places.models / "Acme")
        for number in range(10_000):
            folder = home.places.models / f"publisher{number // 100}" / f"model-{number // 4}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"model-{number}.gguf").write_bytes(data)
        for name, _, _ in os.walk(home.places.models):
            os.utime(name, (1_700_000_000, 1_700_000_000))  # what changed just now is not yet taken to be settled

    @pytest.mark.usefixtures("tree")
    async def test_what_did_not_change_is_not_looked_at_again(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = Looks(monkeypatch)
        await home.library.refresh()
        assert len(home.library.ls()) == 10_000
        folders, read = looks.since()
        assert (self.FOLDERS <= folders <= self.FOLDERS + 20, read) == (True, 10_000)
        await home.library.refresh()
        assert looks.since() == (0, 0)
        library = home.library
        task = asyncio.create_task(library.watch())
        try:
            stats = 0
            stat = os.stat

            def counted(*arguments: Any, **options: Any) -> os.stat_result:
                nonlocal stats
                stats += 1
                return stat(*arguments, **options)

            monkeypatch.setattr(os, "stat", counted)
            deadline = time.monotonic() + 60
            while True:  # once the watch has begun and told what happened before, its folders are believed
                looks.since()
                stats = 0
                await library.refresh(believing=True)
                if library._watch._watched and looks.since() == (0, 0) and stats < 100:
                    break
                assert time.monotonic() < deadline, f"looked at {stats} files and folders again"
                await asyncio.sleep(0.05)
            assert library.key_of("publisher7/model-199@model-797") == "publisher7/model-199@model-797"
            library.find("publisher9/model-249@model-999")
            assert looks.since() == (0, 0)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def test_a_restart_reads_no_header_again(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(10):
            ours(home, f"Acme/Model{number}/m.gguf")
        await home.library.refresh()
        looks = Looks(monkeypatch)
        await home.restarted()
        assert looks.since()[1] == 0
