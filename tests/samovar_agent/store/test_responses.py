"""Responses, and which of them build on which."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from samovar_agent.store import responses
from samovar_agent.store.responses import ResponseRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError

HERE = Path(__file__).parent


def row(id_: str, previous: str | None = None) -> ResponseRow:
    items = [{"type": "message", "content": f"What is {id_}?\0 🫖"}]
    return ResponseRow(id=id_, created_at=1.5, previous=previous, input=items, response={"id": id_, "output": []})


async def test_it_comes_back_as_it_was_kept(store: Store) -> None:
    await store.responses.put(row("a"))
    assert await store.responses.get("a") == row("a")
    changed = ResponseRow(id="a", created_at=2.0, input=[], response={"status": "failed"})
    await store.responses.put(changed)
    assert await store.responses.get("a") == changed


async def test_what_is_not_there(store: Store) -> None:
    for attempt in (store.responses.get("a"), store.responses.chain("a")):
        with pytest.raises(SamovarError) as caught:
            await attempt
        assert caught.value.code == FailureCode.NOT_FOUND
    assert not await store.responses.delete("a")


async def test_a_chain_from_its_beginning(store: Store) -> None:
    await store.responses.put(row("a"))
    await store.responses.put(row("b", "a"))
    await store.responses.put(row("c", "b"))
    await store.responses.put(row("other", "a"))
    assert [one.id for one in await store.responses.chain("c")] == ["a", "b", "c"]
    assert [one.id for one in await store.responses.chain("a")] == ["a"]


async def test_a_chain_ends_where_one_is_gone(store: Store) -> None:
    await store.responses.put(row("a"))
    await store.responses.put(row("b", "a"))
    await store.responses.put(row("c", "b"))
    assert await store.responses.delete("a")
    chain = await store.responses.chain("c")
    assert [(one.id, one.previous) for one in chain] == [("b", "a"), ("c", "b")]


async def test_a_long_chain_is_read_in_a_moment(store: Store) -> None:
    await store.responses.put(row("0"))
    for number in range(1, 300):
        await store.responses.put(row(str(number), str(number - 1)), [str(number - 1)])
    chain = await store.responses.chain("299")
    assert [one.id for one in chain] == [str(number) for number in range(300)]


async def test_what_nobody_built_on_for_long_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    await store.responses.put(row("built on"))
    await store.responses.put(row("forgotten"))
    now += responses.KEPT_SECONDS - 10
    await store.responses.put(row("next", "built on"), ["built on"])
    now += 20
    await store.responses.put(row("last", "next"), ["built on", "next"])
    assert [one.id for one in await store.responses.chain("last")] == ["built on", "next", "last"]
    with pytest.raises(SamovarError):
        await store.responses.get("forgotten")


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    with subprocess.Popen(
        [sys.executable, str(HERE / "killed_responder.py"), str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(20)]
        writer.kill()
        acknowledged += writer.stdout.read().split()
    assert acknowledged[19]
    store = await Store.open(path)
    try:
        chain = await store.responses.chain(acknowledged[-1])
        assert [one.id for one in chain] == acknowledged
        assert await store.check() is None
    finally:
        await store.close()
