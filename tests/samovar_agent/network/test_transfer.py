"""One file over HTTP from a hub that misbehaves in every way that it knows, and out of a folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from samovar_agent.network import range_requests, transfer
from samovar_agent.network.http import Http
from samovar_agent.network.partial_file import CHUNK_BYTES, JOURNAL, PARTIAL, PartialFile
from samovar_agent.network.transfer import copy_file, fetch_file
from samovar_protocol import FailureCode, SamovarError
from tests.hub_server import File, HubServer
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.network.conftest import Network

__all__ = ["hub_server"]

NAME = "tiny-Q4_0.gguf"
SMALL = random.Random(1).randbytes(3_000_000)
LARGE = random.Random(2).randbytes(5 * CHUNK_BYTES + 12_345)


class Fetch:
    """`fetch_file` with what is usual, from a repository with one file; and what it did."""

    def __init__(self, network: Network, hub: HubServer, folder: Path) -> None:
        self.network, self.hub = network, hub
        self.http = Http(network.settings, stall_seconds=0.5)
        self.target = folder / "models" / "p" / "m" / NAME
        self.told: list[tuple[str, int]] = []
        self.content = b""
        self.file: File
        self.serve(SMALL)

    def serve(self, content: bytes) -> None:
        self.content = content
        self.file = self.hub.add("someone/tiny", {NAME: content}).file(NAME)

    @property
    def url(self) -> str:
        return f"{self.hub.endpoint}/someone/tiny/resolve/main/{NAME}"

    @property
    def partial(self) -> Path:
        return self.target.with_name(NAME + PARTIAL)

    async def __call__(self, *, sha256: str | None = "", size_bytes: int | None = None, url: str | None = None) -> str:
        return await fetch_file(
            self.network.gate,
            self.http,
            url or self.url,
            self.target,
            size_bytes=size_bytes or len(self.content),
            sha256=hashlib.sha256(self.content).hexdigest() if sha256 == "" else sha256,
            requester="test",
            on_done=lambda stage, done: self.told.append((stage, done)),
            first_delay=0.01,
        )

    async def fails(self, code: FailureCode, **arguments: object) -> SamovarError:
        with pytest.raises(SamovarError) as caught:
            async with asyncio.timeout(30):
                await self(**arguments)  # type: ignore[arg-type]
        assert caught.value.code == code, caught.value
        assert caught.value.hint
        assert not self.target.exists()
        return caught.value

    async def succeeds(self, **arguments: object) -> None:
        async with asyncio.timeout(30):
            await self(**arguments)  # type: ignore[arg-type]
        assert self.target.read_bytes() == self.content
        assert [path.name for path in self.target.parent.iterdir()] == [NAME]
        done = [done for stage, done in self.told if stage == "downloading"]
        assert done == sorted(done), "progress never runs backwards"

    async def midway(self, done: int = 1) -> asyncio.Task[str]:
        """A fetch that has come so far."""
        task = asyncio.create_task(self())
        await until(lambda: self.told and self.told[-1][1] >= done)
        return task

    def sent(self) -> int:
        return sum(seen.bytes_sent for seen in self.hub.seen if seen.host == "files")

    def ranges(self) -> list[str]:
        return [seen.headers.get("range", "") for seen in self.hub.seen if seen.host == "files"]


@pytest.fixture
async def fetch(network: Network, hub_server: HubServer, tmp_path: Path) -> AsyncIterator[Fetch]:
    fetch = Fetch(network, hub_server, tmp_path)
    yield fetch
    await fetch.http.close()


@pytest.fixture
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a file of twenty megabytes is fetched as one of many gigabytes is."""
    monkeypatch.setattr(range_requests, "_SPAN_BYTES", CHUNK_BYTES)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_small_file_comes_in_one_piece_and_one_row(fetch: Fetch) -> None:
    await fetch.succeeds()
    assert fetch.ranges() == [f"bytes=0-{len(SMALL) - 1}"]
    assert fetch.told[-1] == ("verifying", len(SMALL))
    row = await fetch.network.only_row()
    assert (row.purpose, row.outcome) == ("model-download", "ok")
    assert row.host == "localhost", "the host that sent it, not the one that sent us there"
    assert row.detail == f"{NAME} by way of 127.0.0.1", "which is in the journal too"
    assert row.bytes_received is not None
    assert len(SMALL) <= row.bytes_received < len(SMALL) + 4000


@pytest.mark.usefixtures("short_spans")
class TestRanges:
    async def test_a_large_file_comes_in_several_at_a_time(self, fetch: Fetch) -> None:
        fetch.serve(LARGE)
        fetch.file.bytes_per_second = 20e6
        await fetch.succeeds()
        assert len(fetch.ranges()) == 6
        assert fetch.sent() == len(LARGE)

    async def test_a_server_without_ranges(self, fetch: Fetch) -> None:
        fetch.serve(LARGE)
        fetch.file.ignore_ranges = True
        await fetch.succeeds()
        assert len(fetch.ranges()) == 1

    async def test_one_that_loses_them_midway(self, fetch: Fetch) -> None:
        fetch.serve(LARGE)
        fetch.file.bytes_per_second = 4e6
        task = await fetch.midway(CHUNK_BYTES)
        fetch.file.ignore_ranges = True
        fetch.file.bytes_per_second = None
        await asyncio.wait_for(task, 30)
        assert fetch.target.read_bytes() == LARGE

    async def test_one_that_hangs_up_all_the_time(self, fetch: Fetch) -> None:
        fetch.serve(LARGE)
        fetch.file.drop_after = 1_500_000
        await fetch.succeeds()
        assert fetch.sent() < 1.5 * len(LARGE)

    async def test_one_without_ranges_that_hangs_up(self, fetch: Fetch) -> None:
        fetch.serve(LARGE)
        fetch.file.ignore_ranges = True
        fetch.file.drop_after, fetch.file.drops = 6_000_000, 2
        await fetch.succeeds()

    async def test_one_that_takes_one_connection_only(self, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        fetch.serve(LARGE)
        fetch.file.bytes_per_second = 20e6
        send, now = fetch.file.send, 0

        async def one_at_a_time(*arguments: Any) -> web.StreamResponse:
            nonlocal now
            if now:
                return web.Response(status=503)
            now += 1
            try:
                return await send(*arguments)
            finally:
                now -= 1

        monkeypatch.setattr(fetch.file, "send", one_at_a_time)
        await fetch.succeeds()

    async def test_cancelled_and_gone_on_with(self, fetch: Fetch) -> None:
        fetch.serve(LARGE)
        fetch.file.bytes_per_second = 3e6
        task = await fetch.midway(5_000_000)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not fetch.target.exists()
        fetch.file.bytes_per_second = None
        sent = fetch.sent()
        told = fetch.told[-1][1]
        fetch.told.clear()
        await fetch.succeeds()
        stage, here = fetch.told[0]
        assert stage == "downloading"
        assert here >= told, "what came after the last word was kept too"
        assert fetch.sent() - sent == len(LARGE) - here


class TestLies:
    async def test_a_wrong_digest_is_told_and_deleted(self, fetch: Fetch) -> None:
        error = await fetch.fails(FailureCode.DIGEST_MISMATCH, sha256="ab" * 32)
        got = hashlib.sha256(SMALL).hexdigest()
        assert error.failure.details == {"file": NAME, "expected": "ab" * 32, "got": got}
        assert list(fetch.target.parent.iterdir()) == []

    async def test_a_byte_damaged_on_its_way(self, fetch: Fetch) -> None:
        fetch.file.flip = 1_000_000
        await fetch.fails(FailureCode.DIGEST_MISMATCH)
        fetch.file.flip = None
        fetch.told.clear()
        await fetch.succeeds()

    async def test_bytes_of_another_place(self, fetch: Fetch) -> None:
        fetch.file.shift_range = 1
        fetch.file.content = fetch.content = SMALL[:200_000]
        await fetch.fails(FailureCode.DIGEST_MISMATCH)

    async def test_a_range_that_is_named_wrongly_is_not_used(self, fetch: Fetch) -> None:
        fetch.file.wrong_content_range = True
        await fetch.succeeds()
        assert fetch.ranges()[-1] == "", "a server that cannot count is asked for all of it"

    @pytest.mark.parametrize("ignore_ranges", [False, True])
    @pytest.mark.parametrize("more", [-1, 1])
    async def test_another_size(self, fetch: Fetch, more: int, ignore_ranges: bool) -> None:
        fetch.file.ignore_ranges = ignore_ranges
        error = await fetch.fails(FailureCode.DIGEST_MISMATCH, size_bytes=len(SMALL) + more)
        assert f"{len(SMALL):,}" in error.failure.message
        assert not any(done for _, done in fetch.told), "noticed before anything was taken"

    async def test_an_answer_shorter_than_it_says(self, fetch: Fetch) -> None:
        fetch.file.ignore_ranges = True
        fetch.file.content_length = 10
        await fetch.fails(FailureCode.DIGEST_MISMATCH)

    async def test_a_web_page_in_place_of_the_file(self, fetch: Fetch) -> None:
        fetch.hub.captive_portal = True
        error = await fetch.fails(FailureCode.NETWORK_FAILED)
        assert "web page" in error.failure.message

    async def test_redirects_in_a_circle(self, fetch: Fetch) -> None:
        fetch.file.redirect_loop = True
        await fetch.fails(FailureCode.NETWORK_FAILED)


class TestVersions:
    async def stopped(self, fetch: Fetch) -> int:
        """Half of the file is here, and the one who fetched it is gone."""
        fetch.file.bytes_per_second = 3e6
        task = asyncio.create_task(fetch(sha256=None))
        await until(lambda: fetch.told and fetch.told[-1][1] >= 1_000_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        fetch.file.bytes_per_second = None
        fetch.told.clear()
        return fetch.sent()

    async def test_the_same_one_goes_on(self, fetch: Fetch) -> None:
        sent = await self.stopped(fetch)
        await fetch.succeeds(sha256=None)
        assert fetch.sent() - sent <= len(SMALL) - 1_000_000
        assert fetch.hub.seen[-1].headers["if-range"] == f'"{fetch.file.sha256}"'

    async def test_another_one_begins_anew(self, fetch: Fetch) -> None:
        sent = await self.stopped(fetch)
        fetch.file.content = fetch.content = random.Random(9).randbytes(len(SMALL))
        await fetch.succeeds(sha256=None)
        assert fetch.sent() - sent >= len(SMALL)

    async def test_another_address_begins_anew_where_no_digest_would_tell(self, fetch: Fetch) -> None:
        sent = await self.stopped(fetch)
        await fetch.succeeds(sha256=None, url=fetch.url + "?again=1")
        assert fetch.sent() - sent >= len(SMALL)

    async def test_another_address_goes_on_where_the_digest_tells(self, fetch: Fetch) -> None:
        fetch.file.bytes_per_second = 3e6
        task = await fetch.midway(1_000_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        fetch.file.bytes_per_second = None
        sent = fetch.sent()
        fetch.told.clear()
        await fetch.succeeds(url=fetch.url + "?mirror=1")
        assert fetch.sent() - sent <= len(SMALL) - 1_000_000

    async def test_wrong_bytes_of_one_address_do_not_spoil_another(self, fetch: Fetch) -> None:
        fetch.file.flip, fetch.file.bytes_per_second = 10, 3e6
        task = await fetch.midway(1_000_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        fetch.file.flip = fetch.file.bytes_per_second = None
        fetch.told.clear()
        await fetch(url=fetch.url + "?mirror=1")
        assert fetch.target.read_bytes() == SMALL


class TestTrouble:
    async def test_a_busy_server_is_waited_for(self, fetch: Fetch) -> None:
        fetch.hub.limit(times=1, retry_after=1)
        began = asyncio.get_running_loop().time()
        await fetch.succeeds()
        assert asyncio.get_running_loop().time() - began >= 1.0
        assert fetch.hub.seen[0].status == 429

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    async def test_a_server_in_trouble_is_asked_again(self, fetch: Fetch, status: int) -> None:
        fetch.file.status, fetch.file.times = status, 2
        await fetch.succeeds()

    async def test_one_that_wants_us_back_tomorrow_is_not_waited_for(self, fetch: Fetch) -> None:
        fetch.hub.limit(times=1, retry_after=50_000)
        error = await fetch.fails(FailureCode.NETWORK_FAILED)
        assert error.failure.details["retry_after_seconds"] == 50_000

    async def test_a_stall_is_noticed_and_got_over(self, fetch: Fetch) -> None:
        fetch.file.stall_after = 1_000_000
        await fetch.succeeds()
        assert len(fetch.ranges()) == 3

    async def test_a_server_that_never_sends_a_byte(self, fetch: Fetch) -> None:
        fetch.file.stall_after = 0
        fetch.http._stall_seconds = 0.1
        await fetch.fails(FailureCode.NETWORK_FAILED)

    async def test_a_missing_file(self, fetch: Fetch) -> None:
        error = await fetch.fails(FailureCode.NOT_FOUND, url=fetch.url + "x")
        assert NAME in error.failure.message
        assert len(fetch.hub.seen) == 1, "nobody asks twice for what is not there"

    async def test_a_gated_file_says_so(self, fetch: Fetch) -> None:
        fetch.hub.repositories["someone/tiny"].gated = "auto"
        await fetch.fails(FailureCode.GATED)

    async def test_nobody_at_the_address(self, fetch: Fetch) -> None:
        await fetch.fails(FailureCode.NETWORK_FAILED, url="http://127.0.0.1:9/x.gguf")

    async def test_going_offline_midway_keeps_what_came(self, fetch: Fetch) -> None:
        fetch.file.bytes_per_second = 3e6
        task = asyncio.create_task(fetch.fails(FailureCode.NETWORK_OFFLINE))
        await until(lambda: fetch.told and fetch.told[-1][1] >= 1_000_000)
        fetch.network.set_policy("offline")
        await asyncio.wait_for(task, 10)
        assert fetch.partial.stat().st_size >= 1_000_000

    async def test_a_cable_pulled_out_midway(self, fetch: Fetch) -> None:
        fetch.file.drop_after = 1_000_000
        fetch.file.bytes_per_second = 5e6
        task = asyncio.create_task(fetch.fails(FailureCode.NETWORK_OFFLINE))
        await until(lambda: fetch.told and fetch.told[-1][1] > 0)
        fetch.network.cable.plugged = False
        await asyncio.wait_for(task, 10)


async def test_a_byte_flipped_on_the_disk_costs_one_chunk(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch.serve(LARGE)
    fetch.file.bytes_per_second = 10e6
    task = await fetch.midway(4 * CHUNK_BYTES)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with fetch.partial.open("r+b") as file:
        file.seek(5)
        file.write(bytes([LARGE[5] ^ 1]))
    fetch.file.bytes_per_second = None
    sent, here = fetch.sent(), fetch.told[-1][1]
    fetch.told.clear()
    async with asyncio.timeout(30):
        await fetch()
    assert fetch.target.read_bytes() == LARGE
    assert fetch.sent() - sent == len(LARGE) - here + CHUNK_BYTES
    assert fetch.ranges()[-1] == f"bytes=0-{CHUNK_BYTES - 1}"


async def test_a_disk_that_lies_is_given_up(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    real = PartialFile.digest

    def broken(self: PartialFile, on_bytes: Callable[[int], None]) -> str:
        with fetch.partial.open("r+b") as file:
            file.seek(0)
            file.write(bytes([SMALL[0] ^ 1]))
        return real(self, on_bytes)

    monkeypatch.setattr(PartialFile, "digest", broken)
    error = await fetch.fails(FailureCode.DIGEST_MISMATCH)
    assert "disk" in error.failure.message
    assert len(fetch.ranges()) == 3


async def test_cancelled_while_it_is_put_on_the_disk_it_gets_no_name(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = os.fsync, threading.Event()

    def slow(descriptor: int) -> None:
        begun.set()
        time.sleep(0.5)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    task = asyncio.create_task(fetch())
    await until(begun.is_set)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not fetch.target.exists(), "who cancelled it deletes what came, and that is the partial file"


class TestFolder:
    async def copy(self, fetch: Fetch, source: Path, **arguments: object) -> str:
        values: dict[str, object] = {
            "size_bytes": len(SMALL),
            "sha256": hashlib.sha256(SMALL).hexdigest(),
            "on_done": lambda stage, done: fetch.told.append((stage, done)),
        }
        return await copy_file(source, fetch.target, **(values | arguments))  # type: ignore[arg-type]

    async def test_a_file_comes_without_a_network(self, fetch: Fetch, tmp_path: Path) -> None:
        fetch.network.set_policy("offline")
        source = tmp_path / NAME
        source.write_bytes(SMALL)
        await self.copy(fetch, source)
        assert fetch.target.read_bytes() == SMALL
        assert source.exists()
        assert fetch.told[0][0] == "copying"
        assert await fetch.network.store.journal.ls() == []

    async def test_what_came_over_http_counts(self, fetch: Fetch, tmp_path: Path) -> None:
        fetch.file.bytes_per_second = 3e6
        task = await fetch.midway(1_000_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        fetch.told.clear()
        source = tmp_path / NAME
        source.write_bytes(SMALL)
        await self.copy(fetch, source)
        assert fetch.target.read_bytes() == SMALL
        assert fetch.told[0][1] > 1_000_000

    @pytest.mark.parametrize("content", [SMALL[:-1], SMALL + b"x", SMALL[:-1] + bytes([SMALL[-1] ^ 1])])
    async def test_another_file_of_that_name(self, fetch: Fetch, tmp_path: Path, content: bytes) -> None:
        source = tmp_path / NAME
        source.write_bytes(content)
        with pytest.raises(SamovarError) as caught:
            await self.copy(fetch, source)
        assert caught.value.code == FailureCode.DIGEST_MISMATCH
        assert not fetch.target.exists()

    @pytest.mark.parametrize("name", ["other.gguf", "."])
    async def test_one_that_is_not_there(self, fetch: Fetch, tmp_path: Path, name: str) -> None:
        with pytest.raises(SamovarError) as caught:
            await self.copy(fetch, tmp_path / name)
        assert caught.value.code == FailureCode.NOT_FOUND
        assert not fetch.target.with_name(NAME + JOURNAL).read_bytes().count(b"[")

    @pytest.mark.parametrize("hanging", ["_open", "_read"])
    async def test_a_folder_that_hangs_holds_nobody_up_and_writes_nothing_later(
        self, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hanging: str
    ) -> None:
        source = tmp_path / NAME
        source.write_bytes(SMALL)
        real, hung, go_on, through = getattr(transfer, hanging), threading.Event(), threading.Event(), threading.Event()

        def hang(*arguments: object) -> object:
            try:
                hung.set()
                assert go_on.wait(20)
                return real(*arguments)
            finally:
                through.set()

        monkeypatch.setattr(transfer, hanging, hang)
        task = asyncio.create_task(self.copy(fetch, source))
        await until(hung.is_set)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        assert done
        assert task.cancelled()
        monkeypatch.setattr(transfer, hanging, real)
        again = PartialFile.open(fetch.target, size_bytes=len(SMALL), sha256=hashlib.sha256(SMALL).hexdigest())
        go_on.set()
        await until(through.is_set)
        await asyncio.sleep(0.05)
        assert (again.done_bytes, fetch.partial.stat().st_size) == (0, 0)
        again.close()
        await self.copy(fetch, source)
        assert fetch.target.read_bytes() == SMALL
