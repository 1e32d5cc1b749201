"""When something that is done now and then was done; it outlives the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from samovar_agent.store.store import Store


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """- attempted_at, succeeded_at: Unix seconds; None never. - failures: in a row, since the last success."""

    name: str
    attempted_at: float | None = None
    succeeded_at: float | None = None
    failures: int = 0


class Schedule:
    """The table `schedule`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, name: str) -> ScheduleRow:
        """What is known of `name`; an empty row where it was never done."""
        rows = await self._store.run(lambda db: list(db.query("SELECT * FROM schedule WHERE name = ?", [name])))
        return msgspec.convert(rows[0], ScheduleRow) if rows else ScheduleRow(name=name)

    async def put(self, row: ScheduleRow) -> None:
        """Keep `row` instead of the one with its name."""
        await self._store.run(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO schedule (name, attempted_at, succeeded_at, failures) VALUES (?, ?, ?, ?)",
                [row.name, row.attempted_at, row.succeeded_at, row.failures],
            )
        )
