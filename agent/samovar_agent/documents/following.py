"""Keeps what is stored of a source in step with its file or folder.

    following = Following(store, told=..., removed=...)
    step = await following.look(source)                    # all of it
    step = await following.look(source, ["/notes/a.md"])   # what somebody changed

What is new or changed is queued, to be read by `indexing`; what was renamed keeps all that was read of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from samovar_agent.documents.extracted import Problem
from samovar_agent.documents.folders import Look, compare, look
from samovar_agent.documents.folders_excludes import Excludes
from samovar_agent.documents.folders_plan import Changes, Found, Known
from samovar_agent.documents.folders_watching import SourceWatch, Watched
from samovar_agent.documents.kinds import is_document
from samovar_agent.store.documents import KnownFile, NewDocument
from samovar_agent.store.sources import SourceRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError

log = logging.getLogger("samovar.documents")

_AT_ONCE = 500
"""Documents that are queued in one transaction."""


class Step(NamedTuple):
    """What one look came to. - changed: files that are queued. - unchanged, others: see `Look`. - problems: by path."""

    changed: int
    unchanged: int
    others: int
    problems: dict[str, Problem]


class Following:
    """All sources that have a path.

    - changed: told of a collection in which something was queued, moved or removed. - removed: takes the chunks that
    are gone from the store.
    """

    def __init__(
        self,
        store: Store,
        *,
        changed: Callable[[int], None],
        removed: Callable[[Sequence[int]], Awaitable[None]],
        watch: SourceWatch | None = None,
    ) -> None:
        self._store, self._changed, self._removed = store, changed, removed
        self._watch = watch or SourceWatch()
        self._looking: dict[int, asyncio.Lock] = {}

    async def run(self) -> None:
        """Until cancelled: look at all sources that are to be watched, and again whenever something happens to them."""
        await self.rewatch()
        await self._watch.run(self._happened)

    async def rewatch(self) -> None:
        """Sources came, went or have other options."""
        wanted: dict[str, Watched] = {}
        for source in await self._store.sources.ls():
            if not source.watch or source.path is None or source.state == "paused":
                continue
            watched = Watched(source.path, Excludes(source.excludes), source.kind == "file")
            # Two collections may have one folder; what one of them leaves out must still be heard of for the other.
            same = wanted.get(source.path, watched)
            wanted[source.path] = watched if same == watched else Watched(source.path, Excludes(defaults=()))
        self._watch.set(list(wanted.values()))

    async def look(self, source: SourceRow, only: Sequence[str] = ()) -> Step:
        """Compare a source, or these paths in it, with what is stored, and store or queue the difference.

        Raises what `folders.look` does; then nothing has changed but the source's state.
        """
        async with self._looking.setdefault(source.id, asyncio.Lock()):
            # As it is now: who waited here does not know what was excluded meanwhile.
            found = [known for known in await self._store.sources.ls(source.collection) if known.id == source.id]
            if not found:
                return Step(0, 0, 0, {})  # it was removed meanwhile
            return await self._look(found[0], only)

    async def _look(self, source: SourceRow, only: Sequence[str]) -> Step:
        assert source.path is not None, "text that was pasted is nowhere to be looked at"
        root, excludes = source.path, Excludes(source.excludes)
        # A file that somebody named is read whatever it is called.
        readable = is_document if source.kind == "folder" else _any

        def see() -> Look:
            return look(root, excludes, readable=readable, only=only, was_disk=source.own_disk)

        try:
            seen = await asyncio.to_thread(see)
        except SamovarError as error:
            if error.code == FailureCode.NOT_FOUND and source.state == "present":
                await self._store.sources.set_state(source.id, "missing")
                self._changed(source.collection)
            raise
        if source.state == "missing":
            await self._store.sources.set_state(source.id, "present")
        if not only and seen.own_disk != source.own_disk:
            await self._store.sources.set_own_disk(source.id, seen.own_disk)
        rows = await self._store.documents.known(source.id, [] if root in seen.tops else sorted(seen.tops))
        known = [Known(row.path, row.size, row.mtime, row.sha256) for row in rows]
        changes, problems = await asyncio.to_thread(compare, known, seen)
        queued = await self._apply(source, changes, {row.path: row for row in rows})
        if changes or source.state == "missing":
            self._changed(source.collection)
        everything = {**seen.problems, **problems}
        for path, problem in everything.items():
            log.info("not read", extra={"path": path, "problem": problem.message})
        return Step(queued, len(seen.files) - queued, seen.others, everything)

    async def _apply(self, source: SourceRow, changes: Changes, rows: dict[str, KnownFile]) -> int:
        """In the order of the fields, since what goes last may be what another file has now; returns what is queued."""
        documents = self._store.documents
        for before, after in changes.renamed:
            row = rows[before.path]
            await documents.move(row.id, after.path, Path(after.path).name)
            await documents.touch([(row.id, after.size, after.mtime)])
        if changes.touched:
            await documents.touch([(rows[file.path].id, file.size, file.mtime) for file in changes.touched])
        queued = [*changes.added, *changes.changed]
        for start in range(0, len(queued), _AT_ONCE):
            await documents.add([_document(source, file) for file in queued[start : start + _AT_ONCE]])
        gone = [rows[file.path].id for file in changes.gone]
        for start in range(0, len(gone), _AT_ONCE):
            await self._removed(await documents.delete(gone[start : start + _AT_ONCE]))
        return len(queued)

    async def _happened(self, root: str, paths: frozenset[str]) -> None:
        """Something happened in the file or folder at `root`. Raises where it cannot be looked at now."""
        failed: SamovarError | None = None
        for source in await self._store.sources.at(root):
            if source.watch and source.state != "paused":
                try:
                    await self.look(source, [] if root in paths else sorted(paths))
                except SamovarError as error:
                    failed = error
        if failed is not None:
            raise failed

    async def forget(self, source: int) -> None:
        """A source is gone."""
        with contextlib.suppress(KeyError):
            del self._looking[source]


def _document(source: SourceRow, file: Found) -> NewDocument:
    name = Path(file.path).name
    return NewDocument(
        collection=source.collection,
        source=source.id,
        path=file.path,
        name=name,
        title=name,
        size=file.size,
        mtime=file.mtime,
    )


def _any(name: str) -> bool:
    return True
