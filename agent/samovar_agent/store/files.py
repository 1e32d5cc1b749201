"""Files that clients uploaded. Where they lie on the disk is not known here; see `documents/uploaded_files.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from samovar_agent.store.columns import slices, text_column
from samovar_agent.store.portions import Portion, read_portion
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlite_utils import Database

    from samovar_agent.store.store import Store


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file. - name: without folders. - purpose: what the client said. - size: bytes. - sha256: hexadecimal."""

    id: int
    name: str
    purpose: str
    size: int
    sha256: str
    created_at: float


class Files:
    """The table `files`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, name: str, purpose: str, size: int, sha256: str, place: Callable[[int], None]) -> FileRow:
        """A new row. - place: brings the file to where the row's id says; where it raises there is no row."""
        name, created_at = text_column(name), time.time()

        def insert(db: Database) -> int:
            id_ = db.execute(
                "INSERT INTO files (name, purpose, size, sha256, created_at) VALUES (?, ?, ?, ?, ?)",
                [name, purpose, size, sha256, created_at],
            ).lastrowid
            assert id_ is not None
            place(id_)
            return id_

        id_ = await self._store.run(insert)
        return FileRow(id=id_, name=name, purpose=purpose, size=size, sha256=sha256, created_at=created_at)

    async def get(self, id_: int) -> FileRow:
        """The file with this id. Raises `not_found`."""
        rows = await self.find([id_])
        if not rows:
            raise SamovarError(FailureCode.NOT_FOUND, f"There is no file 'file-{id_}'.", hint="Upload it first.")
        return rows[0]

    async def find(self, ids: Sequence[int]) -> list[FileRow]:
        """These files, in no order; those that are gone are left out."""

        def read(db: Database) -> list[FileRow]:
            rows: list[FileRow] = []
            for marks, some in slices(ids):
                question = f"SELECT * FROM files WHERE id IN ({marks})"  # noqa: S608 - only question marks
                rows += [msgspec.convert(row, FileRow) for row in db.query(question, some)]
            return rows

        return await self._store.read(read)

    async def ls(self, portion: Portion, purpose: str | None = None) -> tuple[list[FileRow], bool]:
        """Files, and whether there are more. - purpose: only these."""
        question = "SELECT * FROM files WHERE (:purpose IS NULL OR purpose = :purpose)"
        values = {"purpose": None if purpose is None else text_column(purpose)}
        rows, more = await self._store.read(lambda db: read_portion(db, question, values, portion))
        return [msgspec.convert(row, FileRow) for row in rows], more

    async def ids(self) -> set[int]:
        """The ids of all files."""
        return await self._store.read(lambda db: {row[0] for row in db.execute("SELECT id FROM files")})

    async def delete(self, id_: int) -> bool:
        """Remove a file and where it was attached; says whether there was one."""
        return await self._store.run(lambda db: db.execute("DELETE FROM files WHERE id = ?", [id_]).rowcount > 0)
