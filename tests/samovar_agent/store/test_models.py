"""The table of models."""

from __future__ import annotations

import msgspec

from samovar_agent.store.models import ModelRow
from samovar_agent.store.store import Store

LINK = ModelRow(
    key="me/b", path="/data/b.gguf", publisher="me", name="b", origin="link", size_bytes=2**40, added_at=1.5
)
OWN = ModelRow(
    key="a/a@Q4_1",
    path="/m/a/a/a.gguf",
    publisher="a",
    name="a",
    origin="library",
    size_bytes=0,
    added_at=2.0,
    sha256="00" * 32,
    source='{"package": "p==1"}',
)


async def test_rows_come_back_as_they_went_in_sorted_by_key(store: Store) -> None:
    assert await store.models.ls() == []
    await store.models.put(LINK)
    await store.models.put(OWN)
    assert await store.models.ls() == [OWN, LINK]


async def test_put_replaces_the_row_of_that_key(store: Store) -> None:
    await store.models.put(LINK)
    moved = msgspec.structs.replace(LINK, path="/elsewhere/b.gguf")
    await store.models.put(moved)
    assert await store.models.ls() == [moved]


async def test_delete_says_whether_there_was_one(store: Store) -> None:
    await store.models.put(LINK)
    assert await store.models.delete("me/b") is True
    assert await store.models.delete("me/b") is False
    assert await store.models.ls() == []


async def test_hostile_text_is_only_text(store: Store) -> None:
    nasty = msgspec.structs.replace(LINK, key="'); DROP TABLE models; --", path='/a "b" \n\u202e')
    await store.models.put(nasty)
    assert await store.models.ls() == [nasty]
