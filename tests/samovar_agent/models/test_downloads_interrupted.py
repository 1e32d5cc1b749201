"""Downloads that the end of the agent or of the network interrupts."""

import asyncio
import hashlib

import pytest

from samovar_agent.models import downloads as module
from samovar_agent.network.partial_file import JOURNAL, PARTIAL
from samovar_protocol import FailureCode
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.download_shop import FILE, KEY, Shop, content, failure, leave, shop, until

__all__ = ["content", "hub_server", "shop"]


class TestRestart:
    async def test_what_ran_goes_on_with_the_next_agent(self, shop: Shop, content: bytes) -> None:
        work = await shop.midway()
        await shop.restart()
        assert (await failure(work)).code == FailureCode.SHUTTING_DOWN
        await shop.until_state("done")
        assert shop.sent() < 1.2 * len(content)
        assert shop.home.keys() == [KEY]

    async def test_also_after_a_kill_between_the_file_and_the_library(self, shop: Shop, content: bytes) -> None:
        await leave(await shop.midway())
        paused = await shop.until_state("paused")
        await shop.home.store.downloads.change(paused.id, state="running")
        (shop.folder / f"{FILE}{PARTIAL}").unlink()
        (shop.folder / f"{FILE}{JOURNAL}").unlink()
        (shop.folder / FILE).write_bytes(content)
        sent = shop.sent()
        await shop.kill()
        await shop.until_state("done")
        assert shop.sent() == sent
        (row,) = await shop.home.store.models.ls()
        assert row.sha256 == hashlib.sha256(content).hexdigest()

    async def test_a_row_that_cannot_be_read_stops_nothing(self, shop: Shop) -> None:
        for wanted in ("{}", "", "[" * 10_000):
            await shop.home.store.downloads.add(name="x", wanted=wanted, priority=0, requester="", total_bytes=None)
        await shop.restart()
        assert [download.state for download in await shop.downloads.ls()] == ["cancelled"] * 3
        assert (await shop.get()).model

    async def test_a_failure_of_another_version_stops_nothing(self, shop: Shop) -> None:
        await leave(await shop.midway())
        paused = await shop.until_state("paused")
        await shop.home.store.downloads.change(paused.id, failure='{"code":"from_the_future","message":"x"}')
        await shop.restart()
        assert (await shop.only()).problem == "x"
        assert (await shop.get()).model

    async def test_after_the_end_nothing_begins(self, shop: Shop) -> None:
        await shop.downloads.close()
        assert (await failure(shop.start())).code == FailureCode.SHUTTING_DOWN


class TestNetwork:
    async def test_offline_a_person_is_told_at_once(self, shop: Shop) -> None:
        shop.set_policy("offline")
        assert (await failure(shop.start())).code == FailureCode.NETWORK_OFFLINE
        assert (await shop.only()).state == "failed"

    async def test_a_background_one_waits_and_goes_on_by_itself(self, shop: Shop) -> None:
        shop.set_policy("offline")
        await shop.get(background=True)
        waiting = await shop.until_state("waiting")
        assert waiting.problem
        assert waiting.hint
        shop.set_policy("online")
        await shop.until_state("done")

    async def test_a_person_who_asks_for_one_that_waits_is_told(self, shop: Shop) -> None:
        shop.cable.plugged = False
        await shop.get(background=True)
        await shop.until_state("waiting")
        assert (await failure(shop.start())).code == FailureCode.NETWORK_OFFLINE
        assert (await shop.only()).state == "waiting"

    async def test_a_cable_pulled_out_and_in_again(self, shop: Shop, content: bytes) -> None:
        work = await shop.midway()
        shop.cable.plugged = False
        shop.hub.repositories["acme/tiny"].file(FILE).drop_after = 1
        await shop.until_state("waiting")
        shop.gate.refresh()
        assert shop.told[-1].stage == "waiting"
        shop.hub.repositories["acme/tiny"].file(FILE).drop_after = None
        shop.cable.plugged = True
        shop.gate.refresh()
        assert (await asyncio.wait_for(work, 20)).model
        assert shop.sent() < 1.2 * len(content)

    async def test_a_server_that_dies_midway_is_tried_again_by_itself(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_RETRY_SECONDS", (0.05,))
        monkeypatch.setattr("samovar_agent.network.range_requests._PATIENT_TRIES", 1)
        work = await shop.midway()
        file = shop.hub.repositories["acme/tiny"].file(FILE)
        file.drop_after, file.status = 1, 503
        await until(lambda: "waiting" in shop.states())
        file.drop_after = file.status = None
        assert (await asyncio.wait_for(work, 20)).model

    async def test_a_waiting_one_can_be_left_and_cancelled(self, shop: Shop) -> None:
        work = await shop.midway()
        shop.set_policy("offline")
        waiting = await shop.until_state("waiting")
        await leave(work)
        await shop.until_state("paused")
        shop.set_policy("online")
        assert (await shop.only()).state == "paused"
        await shop.downloads.cancel(waiting.id)
        assert shop.left() == []

    async def test_nobody_there_at_all_is_a_failure(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("samovar_agent.network.range_requests._TRIES", 1)
        shop.hub.repositories["acme/tiny"].file(FILE).status = 503
        assert (await failure(shop.start())).code == FailureCode.NETWORK_FAILED

    @pytest.mark.parametrize("gated", [True, False])
    async def test_the_reason_is_given(self, shop: Shop, gated: bool) -> None:
        if gated:
            shop.hub.repositories["acme/tiny"].gated = "auto"
        else:
            del shop.hub.repositories["acme/tiny"]
        error = await failure(shop.start())
        assert error.code == (FailureCode.GATED if gated else FailureCode.NOT_FOUND)
        download = await shop.only()
        assert (download.problem, download.hint) == (error.failure.message, error.hint)
