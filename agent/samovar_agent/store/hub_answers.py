"""What the hub answered, kept for when it cannot be asked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

_KEPT = 500
"""Answers of each kind; the oldest go first, since every search leaves one."""
_AT_ONCE = 500


class HubAnswer(NamedTuple):
    """- question: begins with its kind and a colon. - answer: JSON. - answered_at: Unix seconds."""

    question: str
    answer: bytes
    answered_at: float


class HubAnswers:
    """The table `hub_answers`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, question: str, answer: bytes) -> None:
        """Keep an answer instead of the one before it. - question: `kind:…`; so many of each kind are kept."""
        kind = question.partition(":")[0] + ":"

        def keep(db: Database) -> None:
            db.execute(
                "INSERT OR REPLACE INTO hub_answers (question, answer, answered_at) VALUES (?, ?, ?)",
                [question, answer.decode(), time.time()],
            )
            db.execute(
                "DELETE FROM hub_answers WHERE substr(question, 1, ?) = ? AND question NOT IN"
                " (SELECT question FROM hub_answers WHERE substr(question, 1, ?) = ?"
                " ORDER BY rowid DESC LIMIT ?)",
                [len(kind), kind, len(kind), kind, _KEPT],
            )

        await self._store.run(keep)

    async def get(self, question: str) -> HubAnswer | None:
        """The answer that is kept, however old; None where there is none."""
        return next(iter(await self.get_all([question])), None)

    async def get_all(self, questions: Sequence[str]) -> list[HubAnswer]:
        """The answers that are kept of these, in no particular order."""
        some = list(questions)[:_AT_ONCE]
        marks = ", ".join("?" * len(some))
        return await self._read(f"WHERE question IN ({marks})", some)

    async def get_like(self, kind: str, limit: int = 100) -> list[HubAnswer]:
        """The newest answers of a kind, newest first. - kind: with its colon, `search:`."""
        return await self._read(
            "WHERE substr(question, 1, ?) = ? ORDER BY rowid DESC LIMIT ?", [len(kind), kind, limit]
        )

    async def _read(self, where: str, values: Sequence[str | int]) -> list[HubAnswer]:
        question = f"SELECT question, answer, answered_at FROM hub_answers {where}"  # noqa: S608 - only texts of ours
        rows = await self._store.run(lambda db: db.execute(question, values).fetchall())
        return [HubAnswer(row[0], row[1].encode(), row[2]) for row in rows]
