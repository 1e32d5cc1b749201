"""Downloads: one that comes, one that several want, what a name may be, and the row that is kept of each."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from samovar_agent.models.sources import Part, Wanted
from samovar_agent.network.partial_file import PARTIAL
from samovar_protocol import FailureCode, SamovarError
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
    scanned,
    shop,
    until,
)

__all__ = ["content", "hub_server", "shop"]


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
