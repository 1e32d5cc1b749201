"""Rows of downloads: what is over goes after a while, what can be gone on with stays."""

from __future__ import annotations

import pytest

from samovar_agent.store import downloads
from samovar_agent.store.store import Store
from samovar_protocol.values import DownloadState


async def add(store: Store, state: DownloadState, *, total_bytes: int | None = 10) -> int:
    id_ = await store.downloads.add(name="a/b@Q4_0", wanted="{}", priority=2, requester="test", total_bytes=total_bytes)
    await store.downloads.change(id_, state=state)
    return id_


async def states(store: Store) -> list[str]:
    return [row.state for row in await store.downloads.ls()]


async def test_a_row_has_what_it_was_made_and_changed_with(store: Store) -> None:
    id_ = await add(store, "queued", total_bytes=None)
    await store.downloads.change(id_, state="running", source="hub", done_bytes=7, total_bytes=9)
    (row,) = await store.downloads.ls()
    assert (row.id, row.name, row.wanted, row.priority, row.requester) == (id_, "a/b@Q4_0", "{}", 2, "test")
    assert (row.state, row.source, row.done_bytes, row.total_bytes, row.failure) == ("running", "hub", 7, 9, None)
    assert row.changed_at >= row.created_at > 0


async def test_the_newest_is_first(store: Store) -> None:
    ids = [await add(store, "done") for _ in range(3)]
    assert [row.id for row in await store.downloads.ls()] == ids[::-1]


async def test_only_the_last_ones_that_are_over_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_KEPT", 2)
    ids = [await add(store, state) for state in ("done", "cancelled", "done", "cancelled", "queued")]
    assert [row.id for row in await store.downloads.ls()] == ids[:1:-1]


@pytest.mark.parametrize("state", ["queued", "running", "waiting", "paused", "failed"])
async def test_one_that_can_be_gone_on_with_is_never_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch, state: DownloadState
) -> None:
    monkeypatch.setattr(downloads, "_KEPT", 1)
    first = await add(store, state)
    for _ in range(3):
        await add(store, "done")
    await add(store, "queued")
    assert await states(store) == ["queued", "done", state]
    assert (await store.downloads.ls())[-1].id == first
