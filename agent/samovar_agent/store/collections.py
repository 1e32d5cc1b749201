"""Collections: sets of documents that are searched together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from samovar_agent.store.columns import text_column
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store


class CollectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A collection.

    - model: key of the model whose vectors it is searched with; None while there are none. - next_model: whose vectors
    are computed to be used instead. - words_only: somebody wants none, ever.
    """

    id: int
    name: str
    model: str | None
    next_model: str | None = None
    words_only: bool = False
    created_at: float
    settings: dict[str, Any]


class CollectionCounts(NamedTuple):
    """What a collection holds. - chunks: different passages. - embedded: of these, with a vector of the model."""

    documents: int
    queued: int
    failed: int
    chunks: int
    embedded: int


class Collections:
    """The table `collections`.

    One that is still being imported has the time 0, and nobody but its import knows of it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self,
        name: str,
        *,
        model: str | None = None,
        words_only: bool = False,
        settings: dict[str, Any] | None = None,
        unfinished: bool = False,
    ) -> CollectionRow:
        """A new, empty collection. Raises `bad_request` where the name is taken.

        - unfinished: nobody sees it before `finish`, and the next start removes it.
        """
        name, created_at = text_column(name), 0.0 if unfinished else time.time()

        def insert(db: Database) -> int | None:
            cursor = db.execute(
                "INSERT INTO collections (name, model, words_only, created_at, settings) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO NOTHING",
                [name, model, words_only, created_at, _json(settings or {})],
            )
            return cursor.lastrowid if cursor.rowcount else None

        if (id_ := await self._store.run(insert)) is None:
            raise _taken(name)
        return CollectionRow(
            id=id_, name=name, model=model, words_only=words_only, created_at=created_at, settings=settings or {}
        )

    async def finish(self, id_: int) -> None:
        """Let everybody see a collection that was created unfinished."""
        values = [time.time(), id_]
        await self._store.run(
            lambda db: db.execute("UPDATE collections SET created_at = ? WHERE id = ? AND created_at = 0", values)
        )

    async def remove_unfinished(self) -> None:
        """Remove what a killed agent was importing; for the texts see `Documents.sweep`."""

        def remove(db: Database) -> None:
            for row in db.execute("SELECT id FROM collections WHERE created_at = 0").fetchall():
                _remove(db, row[0])

        await self._store.run(remove)

    async def ls(self) -> list[CollectionRow]:
        """Every collection, sorted by name."""
        return await self._read("TRUE ORDER BY name", [])

    async def models(self) -> set[str]:
        """Whose vectors are wanted, also by what is still being imported."""
        question = "SELECT model FROM collections UNION SELECT next_model FROM collections"
        rows = await self._store.read(lambda db: db.execute(question).fetchall())
        return {row[0] for row in rows if row[0] is not None}

    async def get(self, id_: int) -> CollectionRow:
        """The collection with this id. Raises `not_found`."""
        return _only(await self._read("id = ?", [id_]), f"number {id_}")

    async def find(self, name: str) -> CollectionRow:
        """The collection of this name. Raises `not_found`."""
        return _only(await self._read("name = ?", [text_column(name)]), f"called '{name}'")

    async def rename(self, id_: int, name: str) -> None:
        """Give it another name. Raises `bad_request` where that is taken; nothing happens where it is gone."""
        name = text_column(name)

        def update(db: Database) -> bool:
            if db.execute("SELECT 1 FROM collections WHERE name = ? AND id != ?", [name, id_]).fetchone():
                return False
            db.execute("UPDATE collections SET name = ? WHERE id = ?", [name, id_])
            return True

        if not await self._store.run(update):
            raise _taken(name)

    async def set_models(
        self, id_: int, *, model: str | None, next_model: str | None = None, words_only: bool = False
    ) -> None:
        """Search it with the vectors of `model` from now on, and those of `next_model` once they are there."""
        values = [model, next_model, words_only, id_]
        await self._store.run(
            lambda db: db.execute(
                "UPDATE collections SET model = ?, next_model = ?, words_only = ? WHERE id = ?", values
            )
        )

    async def counts(self, id_: int, model: str | None) -> CollectionCounts:
        """What it holds. - model: whose vectors are counted. Takes a second for a million passages."""

        def count(db: Database) -> CollectionCounts:
            states = dict(
                db.execute(
                    "SELECT state, count(*) FROM documents WHERE collection = ? GROUP BY state", [id_]
                ).fetchall()
            )
            chunks = (
                "FROM chunks WHERE content IN (SELECT content FROM documents WHERE collection = :id"
                " AND content IS NOT NULL)"
            )
            [passages] = db.execute(f"SELECT count(*) {chunks}", {"id": id_}).fetchone()
            [embedded] = db.execute(
                f"SELECT count(*) FROM chunk_vectors WHERE chunk IN (SELECT id {chunks})"  # noqa: S608
                " AND model = (SELECT id FROM embedding_models WHERE key = :model)",
                {"id": id_, "model": model},
            ).fetchone()
            return CollectionCounts(
                documents=sum(states.values()),
                queued=states.get("queued", 0) + states.get("indexing", 0),
                failed=states.get("failed", 0),
                chunks=passages,
                embedded=embedded,
            )

        return await self._store.read(count)

    async def set_settings(self, id_: int, settings: dict[str, Any]) -> None:
        """Replace its settings."""
        values = [_json(settings), id_]
        await self._store.run(lambda db: db.execute("UPDATE collections SET settings = ? WHERE id = ?", values))

    async def delete(self, id_: int) -> bool:
        """Remove it with its sources and documents; says whether there was one.

        It is gone at once; what its documents said takes room until `Documents.sweep` has gone over it.
        """
        return await self._store.run(lambda db: _remove(db, id_))

    async def _read(self, where: str, values: list[str | int]) -> list[CollectionRow]:
        question = f"SELECT * FROM collections WHERE created_at > 0 AND {where}"  # noqa: S608 - only texts of ours
        rows = await self._store.read(lambda db: list(db.query(question, values)))
        return [
            msgspec.convert(
                {**row, "settings": msgspec.json.decode(row["settings"]), "words_only": bool(row["words_only"])},
                CollectionRow,
            )
            for row in rows
        ]


def _remove(db: Database, id_: int) -> bool:
    db.execute("DELETE FROM documents WHERE collection = ?", [id_])
    db.execute("DELETE FROM sources WHERE collection = ?", [id_])
    return db.execute("DELETE FROM collections WHERE id = ?", [id_]).rowcount > 0


def _only(rows: list[CollectionRow], wanted: str) -> CollectionRow:
    if not rows:
        raise SamovarError(
            FailureCode.NOT_FOUND, f"There is no collection {wanted}.", hint="See `samovar docs collections`."
        )
    return rows[0]


def _taken(name: str) -> SamovarError:
    return SamovarError(
        FailureCode.BAD_REQUEST, f"There is a collection called '{name}' already.", hint="Choose another name."
    )


def _json(settings: dict[str, Any]) -> str:
    return msgspec.json.encode(settings).decode()
