"""Room that is kept for a store which must be opened on a full disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from samovar_agent.store import reserve
from tests.samovar_agent.store.small_disk import run_on_small_disk


def test_it_is_kept_once_and_given_back_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve, "LEAST_FREE", 0)
    database = tmp_path / "samovar.db"
    assert not reserve.give_back(database)
    reserve.keep(database)
    [kept] = tmp_path.iterdir()
    assert kept.stat().st_size >= 1024 * 1024
    before = kept.stat().st_mtime_ns
    reserve.keep(database)
    assert kept.stat().st_mtime_ns == before
    assert reserve.give_back(database)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_reserved_where_there_is_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve, "LEAST_FREE", 1 << 62)
    reserve.keep(tmp_path / "samovar.db")
    reserve.keep(tmp_path / "not there" / "samovar.db")
    assert list(tmp_path.iterdir()) == []


def test_a_store_opens_where_its_agent_was_killed_and_the_disk_is_full(tmp_path: Path) -> None:
    run_on_small_disk(tmp_path, "full_disk_killed", 8)
