"""Downloads whose network or sources misbehave between two steps, and a person's word under the policy "ask"."""

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from samovar_agent.models.download_job import DownloadJob
from samovar_agent.models.download_run import Fetched
from samovar_agent.models.sources import FolderSource, HubSource, UrlSource
from samovar_agent.network import transfer
from samovar_agent.store import downloads as table
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import DownloadInfo
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.download_shop import FILE, Shop, content, failure, leave, model_bytes, shop, until

__all__ = ["content", "hub_server", "shop"]


async def test_cancelled_at_the_very_end_nothing_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real, begun = os.fsync, threading.Event()

    def slow(descriptor: int) -> None:
        begun.set()
        time.sleep(0.5)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    work = shop.start()
    await until(begun.is_set)
    await shop.downloads.cancel((await shop.only()).id)
    await leave(work)
    assert ((await shop.only()).state, shop.left()) == ("cancelled", [])


async def test_a_gap_that_only_the_failed_download_saw(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cable is out when the download fails, and in again before anybody else looks."""
    real, calls = shop.downloads._run.fetch, 0

    async def fetch(job: DownloadJob) -> Fetched:
        nonlocal calls
        calls += 1
        if calls == 1:
            shop.cable.plugged = False
            raise SamovarError(FailureCode.NETWORK_FAILED, "pip could not fetch it.")
        return await real(job)

    monkeypatch.setattr(shop.downloads._run, "fetch", fetch)
    await shop.get(background=True)
    await shop.until_state("waiting")
    shop.cable.plugged = True
    shop.gate.refresh()
    async with asyncio.timeout(3):
        await shop.until_state("done")


async def test_a_failed_one_that_can_be_resumed_is_never_forgotten(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_KEPT", 1)
    work = await shop.midway()
    shop.hub.repositories["acme/tiny"].gated = "auto"
    shop.hub.repositories["acme/tiny"].file(FILE).drop_after = 1
    assert (await failure(work)).code == FailureCode.GATED
    failed = await shop.only()
    shop.slow(None)
    for number in (2, 3, 4):
        shop.add(f"other{number}", {f"Other{number}-F16.gguf": model_bytes(tmp_path, number)})
        await shop.get(f"other{number}")
    assert failed.id in [download.id for download in await shop.downloads.ls()]


async def test_wrong_bytes_of_a_source_that_dies_do_not_spoil_the_next(
    shop: Shop, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samovar_agent.network.range_requests._PATIENT_TRIES", 1)
    bad = shop.hub.add_file(f"/bad/{FILE}", bytes([content[0] ^ 1]) + content[1:])
    bad.drop_after = 300_000
    real = bad.send

    async def dies(request: web.Request, *rest: Any) -> web.StreamResponse:
        bad.status = 503  # from the next request on
        return await real(request, *rest)

    monkeypatch.setattr(bad, "send", dies)
    shop.change(sources=[UrlSource(url=f"{shop.hub.endpoint}/bad/{FILE}"), HubSource(repository="acme/tiny")])
    assert (await asyncio.wait_for(shop.get(), 60)).model
    assert "waiting" not in shop.states(), "the next source is good at the first try"


class TestAsk:
    """Under this policy only what a person asks for in that moment may connect, and no agent does after a restart."""

    @pytest.fixture
    async def waiting(self, shop: Shop) -> DownloadInfo:
        """The agent was stopped in the middle, and the next one has begun."""
        work = await shop.midway()
        shop.set_policy("ask")
        await shop.restart()
        await leave(work)
        waiting = await shop.until_state("waiting")
        shop.slow(None)
        return waiting

    async def test_a_restart_connects_to_nobody_and_says_what_to_do(self, shop: Shop, waiting: DownloadInfo) -> None:
        assert f"`samovar downloads resume {waiting.id}`" in f"{waiting.problem}"
        assert waiting.hint
        asked = len(shop.hub.seen)
        shop.cable.plugged = False
        shop.gate.refresh()
        shop.cable.plugged = True
        shop.gate.refresh()
        await shop.restart()
        await asyncio.sleep(0.3)
        assert (await shop.only()).state == "waiting"
        assert len(shop.hub.seen) == asked

    async def test_a_person_resumes_it(self, shop: Shop, waiting: DownloadInfo, content: bytes) -> None:
        sent = shop.sent()
        await shop.downloads.resume(waiting.id)
        assert not (await shop.until_state("done")).problem
        assert shop.sent() - sent < len(content), "what came is kept"

    async def test_a_resumed_one_goes_on_by_itself_where_the_cable_was_out(
        self, shop: Shop, waiting: DownloadInfo
    ) -> None:
        shop.cable.plugged = False
        await shop.downloads.resume(waiting.id)
        assert "connected" in f"{(await shop.until_state('waiting')).problem}"
        shop.cable.plugged = True
        shop.gate.refresh()
        await shop.until_state("done")

    @pytest.mark.parametrize("background", [True, False])
    async def test_a_person_gets_it_again(self, shop: Shop, waiting: DownloadInfo, background: bool) -> None:
        await asyncio.wait_for(shop.get(background=background), 20)
        assert (await shop.until_state("done")).id == waiting.id

    async def test_everything_is_allowed_again(self, shop: Shop, waiting: DownloadInfo) -> None:
        shop.set_policy("online")
        done = await shop.until_state("done")
        assert (done.id, done.problem) == (waiting.id, None)

    async def test_a_folder_is_no_network(
        self, shop: Shop, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, begun, go_on = transfer._read, threading.Event(), threading.Event()

        def slow(*arguments: Any) -> bytes:
            begun.set()
            assert go_on.wait(20)
            return real(*arguments)

        monkeypatch.setattr(transfer, "_read", slow)
        folder = tmp_path / "share"
        folder.mkdir()
        (folder / FILE).write_bytes(content)
        shop.change(sources=[FolderSource(path=str(folder))])
        shop.set_policy("ask")
        await shop.get(background=True)
        await until(begun.is_set)
        await shop.restart()
        go_on.set()
        await shop.until_state("done")
