"""Responses that are kept, so that others can build on them: `POST /v1/responses`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

KEPT_SECONDS = 30 * 86_400
"""From when it was last built on: OpenAI's promise. Clients send a whole conversation anew with each turn, and all
of it is kept; without an end the file would only grow."""


class ResponseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A response.

    - previous: id of the one that it goes on from. - input: the items of its own request, not those of earlier ones.
    - response: as it was told, with all that may be included.
    """

    id: str
    created_at: float
    input: list[dict[str, Any]]
    response: dict[str, Any]
    previous: str | None = None


class Responses:
    """The table `responses`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, row: ResponseRow, chain: Sequence[str] = ()) -> None:
        """Keep it, also in the place of one with this id; it is on the disk when this returns.

        - chain: ids of those that it builds on, which stay as long as it does. What nobody built on for long goes.
        """
        now = time.time()
        values = [row.id, row.created_at, row.previous, _json(row.input), _json(row.response), now]

        def insert(db: Database) -> None:
            db.execute(
                "INSERT OR REPLACE INTO responses (id, created_at, previous, input, response, used_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            for id_ in chain:
                db.execute("UPDATE responses SET used_at = ? WHERE id = ?", [now, id_])
            db.execute("DELETE FROM responses WHERE used_at < ?", [now - KEPT_SECONDS])

        await self._store.run(insert)

    async def get(self, id_: str) -> ResponseRow:
        """The response with this id. Raises `not_found`."""
        rows = await self._read("SELECT * FROM responses WHERE id = ?", id_)
        if not rows:
            raise _missing(id_)
        return rows[0]

    async def chain(self, id_: str) -> list[ResponseRow]:
        """That response and all it builds on, the first one first. Raises `not_found`.

        Where one of those was deleted, the one after it is the first, and has a `previous`.
        """
        rows = await self._read(
            """
            WITH RECURSIVE chain (id, place) AS (
                VALUES (?, 0)
                UNION ALL
                SELECT responses.previous, place + 1 FROM chain JOIN responses USING (id) WHERE previous IS NOT NULL
            )
            SELECT responses.* FROM chain JOIN responses USING (id) ORDER BY place DESC
            """,
            id_,
        )
        if not rows:
            raise _missing(id_)
        return rows

    async def delete(self, id_: str) -> bool:
        """Remove it; says whether there was one."""
        return await self._store.run(lambda db: db.execute("DELETE FROM responses WHERE id = ?", [id_]).rowcount > 0)

    async def _read(self, question: str, id_: str) -> list[ResponseRow]:
        # Decoded there too: a long conversation is megabytes.
        return await self._store.read(lambda db: [_row(row) for row in db.query(question, [id_])])


def _row(row: dict[str, Any]) -> ResponseRow:
    decoded = {name: msgspec.json.decode(row[name]) for name in ("input", "response")}
    return msgspec.convert({**row, **decoded}, ResponseRow)


def _missing(id_: str) -> SamovarError:
    return SamovarError(
        FailureCode.NOT_FOUND,
        f"There is no response '{id_}'.",
        hint="It was not stored, or was deleted, or nobody went on from it for 30 days.",
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
