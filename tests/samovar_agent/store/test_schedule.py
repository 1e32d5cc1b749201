"""What is done now and then is remembered by its name, over restarts."""

from __future__ import annotations

from pathlib import Path

from samovar_agent.store.schedule import ScheduleRow
from samovar_agent.store.store import Store


async def test_what_was_never_done_has_an_empty_row(store: Store) -> None:
    assert await store.schedule.get("catalog") == ScheduleRow(name="catalog")


async def test_the_last_row_of_a_name_is_kept(store: Store) -> None:
    failed = ScheduleRow(name="catalog", attempted_at=5.5, failures=3)
    done = ScheduleRow(name="catalog", attempted_at=6.5, succeeded_at=6.5)
    await store.schedule.put(failed)
    assert await store.schedule.get("catalog") == failed
    await store.schedule.put(done)
    await store.schedule.put(ScheduleRow(name="another", failures=1))
    assert await store.schedule.get("catalog") == done


async def test_it_outlives_the_process(tmp_path: Path) -> None:
    row = ScheduleRow(name="catalog", attempted_at=5.5, succeeded_at=1.25, failures=1)
    store = await Store.open(tmp_path / "s.db")
    await store.schedule.put(row)
    await store.close()
    store = await Store.open(tmp_path / "s.db")
    assert await store.schedule.get("catalog") == row
    await store.close()
