"""The catalog with what the hub says: lists, options, search and refresh, with and without a network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from samovar_agent.models.catalog import Catalog
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ModelInfo
from tests.hub_server import HubServer, Override
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.shop import CATALOG, GONE, LARGE, SMALL, TINY, Shop, digest, model, opened

__all__ = ["hub_server"]


@pytest.fixture
async def shop(tmp_path: Path, hub_server: HubServer) -> AsyncIterator[Shop]:
    async with opened(tmp_path, hub_server) as made:
        made.stock()
        yield made


def asked(shop: Shop) -> list[str]:
    return [seen.path for seen in shop.hub.seen]


async def test_the_list_needs_no_network(shop: Shop) -> None:
    reply = await shop.service.ls()
    assert [entry.key for entry in reply.models] == ["Acme/Tiny", "Acme/Packed", "Acme/Embedder"]
    assert reply.refreshed_at is None
    tiny, packed, _ = reply.models
    assert (tiny.files[0].size_bytes, tiny.files[0].fit, tiny.minimum_memory_bytes) == (None, None, None)
    assert packed.files[0].sources == ["python-package", "hub"]
    assert packed.files[0].fit == "fits"
    assert packed.recommended == "Acme/Packed@Q8_0"
    assert all(entry.catalog for entry in reply.models)
    assert shop.hub.seen == []


async def test_what_is_here_is_marked(shop: Shop) -> None:
    def here(path: str, size: int, sha256: str | None) -> ModelInfo:
        return ModelInfo(key="k", name="Packed", publisher="p", path=path, size_bytes=size, sha256=sha256)

    async def present() -> bool:
        return (await shop.service.ls()).models[1].files[0].present

    assert not await present()
    for info, expected in (
        (here("/m/anything.gguf", 1, digest(SMALL)), True),
        (here("/m/packed-Q8_0.gguf", len(SMALL), None), True),
        (here("/m/packed-Q8_0.gguf", len(SMALL), digest(LARGE)), False),
        (here("/m/packed-Q8_0.gguf", 1, None), False),
    ):
        shop.library.models = [info]
        assert await present() is expected


async def test_options_ask_the_hub(shop: Shop) -> None:
    reply = await shop.service.options("tiny-1b", requester="a test")
    entry = reply.entry
    assert [(file.quantization, file.size_bytes) for file in entry.files] == [
        ("Q4_K_M", len(SMALL)),
        ("Q8_0", len(LARGE)),
    ]
    assert entry.files[0].sha256 == digest(SMALL)
    assert (entry.downloads, entry.likes, entry.licence) == (1234, 56, "mit")
    assert entry.minimum_memory_bytes
    assert reply.as_of == pytest.approx(time.time(), abs=30)
    assert reply.note == ""
    await shop.service.options("tiny", requester="a test")
    assert len(asked(shop)) == 1  # asked a moment ago


async def test_options_of_any_repository(shop: Shop) -> None:
    for name in ("someone/big-GGUF", "hf:someone/big-GGUF:Q8_0", f"{shop.hub.endpoint}/someone/big-GGUF"):
        entry = (await shop.service.options(name, requester="a test")).entry
        assert (entry.key, entry.catalog) == ("someone/big-GGUF", False)
        assert [(file.name, file.parts) for file in entry.files] == [
            ("someone/big-GGUF@Q8_0", 2),
            ("someone/big-GGUF@Q2_K", 1),
        ]
        assert entry.recommended == "someone/big-GGUF@Q8_0"


async def test_fit_follows_the_memory_that_is_free(shop: Shop) -> None:
    shop.memory = 100
    assert {file.fit for file in (await shop.service.options("tiny", requester="a test")).entry.files} == {"too-large"}
    shop.memory = 10**12
    assert {file.fit for file in (await shop.service.options("tiny", requester="a test")).entry.files} == {"fits"}


async def test_options_without_a_network(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.service.options("tiny", requester="a test")
    await shop.service.options("someone/big-GGUF", requester="a test")
    shop.cable.plugged = False
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 7300)
    for name, files in (("tiny", 2), ("someone/big-GGUF", 2)):
        reply = await shop.service.options(name, requester="a test")
        assert len(reply.entry.files) == files
        assert reply.as_of == pytest.approx(now, abs=30)
        assert "not connected" in reply.note
        assert "2 hours ago" in reply.note
    unseen = await shop.service.options("packed", requester="a test")
    assert (unseen.as_of, len(unseen.entry.files)) == (None, 1)
    assert "This is what the catalog says." in unseen.note
    with pytest.raises(SamovarError) as caught:
        await shop.service.options("someone/unseen-GGUF", requester="a test")
    assert caught.value.code == FailureCode.NETWORK_OFFLINE


async def test_options_of_what_is_not_there(shop: Shop) -> None:
    shop.hub.add("acme/locked-GGUF", {"locked-Q8_0.gguf": SMALL}, gated="manual")
    assert (await shop.service.options("acme/locked-GGUF", requester="a test")).entry.gated
    with pytest.raises(SamovarError) as caught:
        await shop.service.options("acme/nothing-GGUF", requester="a test")
    assert caught.value.code in {FailureCode.NOT_FOUND, FailureCode.GATED}
    with pytest.raises(SamovarError) as caught:
        await shop.service.options("nothing-at-all", requester="a test")
    assert caught.value.code == FailureCode.MODEL_UNKNOWN
    with pytest.raises(SamovarError) as caught:
        await shop.service.options("https://example.org/x.gguf", requester="a test")
    assert caught.value.code == FailureCode.BAD_REQUEST


async def test_search_shows_the_catalog_first(shop: Shop) -> None:
    shop.hub.add("popular/tiny-thing-GGUF", {"a-Q4_0.gguf": SMALL}).downloads = 10**9
    reply = await shop.service.search("tiny", sort="downloads", limit=10, requester="a test")
    assert [entry.key for entry in reply.results] == ["Acme/Tiny", "popular/tiny-thing-GGUF"]
    assert [entry.catalog for entry in reply.results] == [True, False]
    assert reply.as_of is not None
    assert reply.note == ""


async def test_search_by_what_a_model_can_do(shop: Shop) -> None:
    reply = await shop.service.search("embedding", sort="likes", limit=10, requester="a test")
    assert [entry.key for entry in reply.results] == ["Acme/Embedder"]


async def test_a_search_for_nothing_shows_what_is_popular(shop: Shop) -> None:
    shop.hub.add("popular/other-GGUF", {"a-Q4_0.gguf": SMALL}).downloads = 10**9
    reply = await shop.service.search("", sort="downloads", limit=2, requester="a test")
    assert reply.results[0].key == "popular/other-GGUF"
    assert len(reply.results) == 2


async def test_a_search_for_a_repository_shows_its_files(shop: Shop) -> None:
    (entry,) = (await shop.service.search("someone/big-GGUF", sort="likes", limit=5, requester="a test")).results
    assert len(entry.files) == 2


async def test_words_with_a_slash(shop: Shop) -> None:
    shop.hub.add("acme/tcp-ip-GGUF", {"a-Q4_0.gguf": SMALL})
    for query in ("tcp/ip", "tcp/", "..//"):
        reply = await shop.service.search(query, sort="likes", limit=5, requester="a test")
        assert all(not entry.files for entry in reply.results)
    with pytest.raises(SamovarError):
        await shop.service.search(f"{shop.hub.endpoint}/a/b", sort="likes", limit=5, requester="a test")


async def test_search_without_a_network(shop: Shop) -> None:
    await shop.service.search("big", sort="downloads", limit=10, requester="a test")
    shop.settings.set("network.policy", "offline")
    again = await shop.service.search("big", sort="downloads", limit=10, requester="a test")
    assert [entry.key for entry in again.results] == ["someone/big-GGUF"]
    assert "set to work offline" in again.note
    assert "ago" in again.note
    similar = await shop.service.search("big gguf", sort="likes", limit=10, requester="a test")  # found another way
    assert [entry.key for entry in similar.results] == ["someone/big-GGUF"]
    unseen = await shop.service.search("tiny", sort="downloads", limit=10, requester="a test")
    assert [entry.key for entry in unseen.results] == ["Acme/Tiny"]
    assert unseen.as_of is None
    assert "This is what the catalog says." in unseen.note


async def test_a_dead_network_costs_a_time_out_and_nothing_else(shop: Shop) -> None:
    shop.hub.dead = True
    shop.http._stall_seconds = shop.http._connect_seconds = 0.2
    started = time.monotonic()
    reply = await shop.service.search("tiny", sort="downloads", limit=10, requester="a test")
    assert [entry.key for entry in reply.results] == ["Acme/Tiny"]
    assert reply.note
    assert time.monotonic() - started < 20


async def test_refresh_fills_the_list(shop: Shop) -> None:
    await shop.service.refresh(requester="a test", asked=True)
    shop.cable.plugged = False
    reply = await shop.service.ls()
    assert reply.refreshed_at == pytest.approx(time.time(), abs=30)
    tiny, packed, embedder = reply.models
    assert [file.sha256 for file in tiny.files] == [digest(SMALL), digest(LARGE)]  # one that the catalog did not list
    assert tiny.downloads == 1234
    assert packed.files[0].sources == ["python-package", "hub"]
    assert embedder.files[0].size_bytes is None  # its repository is gone, which costs nobody else anything


async def test_a_refresh_that_breaks_off_keeps_what_came(shop: Shop) -> None:
    shop.hub.override[f"/api/models/{TINY}/revision/main"] = Override(status=500)
    shop.hub.override[f"/api/models/{TINY}"] = Override(status=500)
    with pytest.raises(SamovarError) as caught:
        await shop.service.refresh(requester="a test", asked=True)
    assert caught.value.code == FailureCode.NETWORK_FAILED
    reply = await shop.service.ls()
    assert reply.refreshed_at is None
    assert reply.models[0].files[0].size_bytes is None
    assert (await shop.store.hub_answers.get("model:acme/packed-GGUF@main")) is not None


async def test_the_list_before_a_refresh_that_fails_is_the_list_after_it(shop: Shop) -> None:
    await shop.service.refresh(requester="a test", asked=True)
    before = await shop.service.ls()
    shop.hub.captive_portal = True
    with pytest.raises(SamovarError):
        await shop.service.refresh(requester="a test", asked=True)
    assert await shop.service.ls() == before
    shop.cable.plugged = False
    with pytest.raises(SamovarError) as caught:
        await shop.service.refresh(requester="a test", asked=True)
    assert caught.value.code == FailureCode.NETWORK_OFFLINE
    assert await shop.service.ls() == before


async def test_who_asks_while_a_refresh_runs_waits_for_the_same(shop: Shop) -> None:
    await asyncio.gather(*(shop.service.refresh(requester="a test", asked=True) for _ in range(5)))
    assert len(asked(shop)) == len(CATALOG.models)


async def test_who_goes_away_does_not_end_it(shop: Shop) -> None:
    leaving = asyncio.create_task(shop.service.refresh(requester="a test", asked=True))
    await asyncio.sleep(0)
    leaving.cancel()
    await shop.service.refresh(requester="a test", asked=True)
    assert len(asked(shop)) == len(CATALOG.models)


async def test_nobody_asked_and_the_policy_is_ask(shop: Shop) -> None:
    shop.settings.set("network.policy", "ask")
    with pytest.raises(SamovarError) as caught:
        await shop.service.refresh(requester="scheduler", asked=False)
    assert caught.value.code == FailureCode.NETWORK_OFFLINE
    assert shop.hub.seen == []
    await shop.service.refresh(requester="a person", asked=True)


async def test_a_refresh_has_an_end(tmp_path: Path, hub_server: HubServer) -> None:
    async with opened(tmp_path, hub_server, refresh_seconds=0.5) as shop:
        hub_server.dead = True
        started = time.monotonic()
        with pytest.raises(SamovarError) as caught:
            await shop.service.refresh(requester="a test", asked=True)
        assert caught.value.code == FailureCode.NETWORK_FAILED
        assert time.monotonic() - started < 5


async def test_an_address_that_is_no_hub(tmp_path: Path, hub_server: HubServer) -> None:
    async with opened(tmp_path, hub_server) as shop:
        with pytest.raises(SamovarError, match="none of the models"):
            await shop.service.refresh(requester="a test", asked=True)


async def test_a_refresh_never_holds_up_the_loop(tmp_path: Path, hub_server: HubServer) -> None:
    many = Catalog([model(f"Model{number}", f"acme/m{number}-GGUF") for number in range(40)])
    for number in range(40):
        hub_server.add(f"acme/m{number}-GGUF", {f"m{number}-Q{index}_0.gguf": b"GGUF" for index in range(30)})
    async with opened(tmp_path, hub_server, catalog=many) as shop:
        await shop.service.options("model0", requester="warm the imports up")
        refreshing = asyncio.create_task(shop.service.refresh(requester="a test", asked=True))
        waits = []
        while not refreshing.done():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            waits.append(time.perf_counter() - before - 0.001)
        await refreshing
        entries = (await shop.service.ls()).models
    assert sum(len(entry.files) for entry in entries) == 40 * 30
    waits.sort()
    assert waits[int(len(waits) * 0.99)] < 0.1  # two cores, and the hub is in this process too


async def test_a_hub_that_answers_with_hostile_names(shop: Shop) -> None:
    shop.hub.add(
        "evil/x-GGUF",
        {
            "../../../home/x.gguf": SMALL,
            "a\\..\\x.gguf": SMALL,
            "C:\\x.gguf": SMALL,
            "nul.gguf": SMALL,
            "ok-Q8_0.gguf": SMALL,
        },
    )
    entry = (await shop.service.options("evil/x-GGUF", requester="a test")).entry
    assert [file.quantization for file in entry.files] == ["Q8_0"]


async def test_a_gone_repository_is_what_the_tests_think_it_is() -> None:
    assert GONE in {entry.hub.repository for entry in CATALOG.models if entry.hub}
