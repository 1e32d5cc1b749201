"""The store: one SQLite file, one thread that writes, and some that only read.

    store = await Store.open(places.database_file)
    await store.models.put(row)
    await store.close()

Nobody else opens the file while the agent runs; the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from samovar_agent.store import connection, reserve
from samovar_agent.store.attachments import Attachments
from samovar_agent.store.checkpoints import Checkpoints
from samovar_agent.store.chunks import Chunks
from samovar_agent.store.collections import Collections
from samovar_agent.store.contents import set_up_words
from samovar_agent.store.conversations import Conversations
from samovar_agent.store.digests import Digests
from samovar_agent.store.documents import Documents
from samovar_agent.store.downloads import Downloads
from samovar_agent.store.exports import Exports
from samovar_agent.store.files import Files
from samovar_agent.store.filters import DocumentFilter
from samovar_agent.store.fitting import Fitting, Fittings
from samovar_agent.store.hub_answers import HubAnswers
from samovar_agent.store.imports import Imports
from samovar_agent.store.journal import Journal
from samovar_agent.store.migrate import check_version, migrate
from samovar_agent.store.models import Models
from samovar_agent.store.politeness import Politeness
from samovar_agent.store.readers import Readers
from samovar_agent.store.responses import Responses
from samovar_agent.store.schedule import Schedule
from samovar_agent.store.sources import Sources
from samovar_agent.store.tokens import Tokens
from samovar_agent.store.vector_stores import VectorStores
from samovar_agent.store.vectors import Vectors
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from sqlite_utils import Database

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Store:
    """The open database; made by `Store.open`.

    - path: the file. - journal_mode: "wal" unless the file system refuses it. - revision: counts what may change
    which of the chunks that are there fit a filter; new chunks do not.
    - models, journal, tokens, digests, downloads, hub_answers, schedule, collections, sources, documents, chunks,
    vectors, exports, imports, files, attachments, vector_stores, conversations,
    responses: one object for what belongs together.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal_mode = ""
        self.revision = 0
        self.models = Models(self)
        self.journal = Journal(self)
        self.tokens = Tokens(self)
        self.digests = Digests(self)
        self.downloads = Downloads(self)
        self.hub_answers = HubAnswers(self)
        self.schedule = Schedule(self)
        self.collections = Collections(self)
        self.sources = Sources(self)
        self.documents = Documents(self)
        self.chunks = Chunks(self)
        self.vectors = Vectors(self)
        self.exports = Exports(self)
        self.imports = Imports(self)
        self.files = Files(self)
        self.attachments = Attachments(self)
        self.vector_stores = VectorStores(self)
        self.conversations = Conversations(self)
        self.responses = Responses(self)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._readers = Readers(path)
        self._checkpoints = Checkpoints(path)
        self._politeness = Politeness(lambda: self._readers.active)
        self._fittings = Fittings()
        self._db: Database | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> Store:
        """Open the file, or make it, and bring it to this program's version.

        Raises `store_too_new`, `disk_full`, or `internal` where the file is damaged; it is left as it was.
        """
        try:
            store = await cls._open(path)
        except SamovarError as error:
            if error.code != FailureCode.DISK_FULL:
                raise
            await asyncio.to_thread(reserve.give_back, path)
            return await cls._open(path, disk_is_full=True)
        await asyncio.to_thread(reserve.keep, path)
        return store

    @classmethod
    async def _open(cls, path: Path, *, disk_is_full: bool = False) -> Store:
        store = cls(path)
        try:
            await store._call(store._connect)
            await store._tidy(may_wait=disk_is_full)
            await store.tokens.read()
        except BaseException:
            await store.close()
            raise
        return store

    async def _tidy(self, *, may_wait: bool) -> None:
        """Mark what an agent that died has left. - may_wait: for the next start, where there is no room for that."""
        try:
            await self.journal.mark_interrupted()
            await self.documents.mark_interrupted()
            await self.collections.remove_unfinished()
        except SamovarError as error:
            if not may_wait or error.code != FailureCode.DISK_FULL:
                raise
            _log.warning("%s", error.failure.message)

    async def close(self) -> None:
        """Finish what was begun and close the file; a second call does nothing."""
        if not self._closed:
            self._closed = True
            if self._db is not None:
                await self.tokens.close()
            closing = asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown(wait=False)
            await closing

    async def run(self, function: Callable[[Database], T], *, rearranges: Callable[[T], bool] = lambda _: True) -> T:
        """Call `function(db)` on the store's thread, as one transaction; it is on the disk when this returns.

        - rearranges: whether, by what came of it, it may have changed to which documents the chunks belong that were
        there before, or whether these documents fit a filter.
        Raises what `function` raises, after which nothing of it has happened, or `disk_full`.
        """
        return await self._call(lambda: self._transaction(function, rearranges))

    def much_was_written(self) -> None:
        """Bring it into the database beside further writing."""
        if self.journal_mode == "wal":
            self._checkpoints.begin()

    async def read(self, function: Callable[[Database], T]) -> T:
        """Call `function(db)`, which writes nothing, beside whatever is being written; it sees the last commit.

        Raises what `function` raises.
        """
        if self.journal_mode != "wal":  # a rollback journal lets nobody read while somebody writes
            return await self.run(function)
        return await self._call(lambda: self._readers.transaction(function), self._readers.threads)

    async def read_filtered(
        self,
        collections: Sequence[int] | None,
        filters: DocumentFilter,
        function: Callable[[Database, Fitting], T],
    ) -> T:
        """As `read`, with what says which chunks fit; never those of no document. - collections: None for all."""
        revision = self.revision
        return await self.read(lambda db: function(db, self._fittings.of(db, revision, collections, filters)))

    async def ping(self) -> None:
        """Come back once the file can be read; raises where it cannot."""
        await self.read(lambda db: db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall())

    async def check(self) -> str | None:
        """What is wrong with the file, or None; reads all of it."""
        found = await self.run(lambda db: [str(row[0]) for row in db.execute("PRAGMA quick_check(3)")])
        return None if found == ["ok"] else "; ".join(found)

    async def _call(self, function: Callable[[], T], threads: ThreadPoolExecutor | None = None) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads or self._thread, function)
        except Exception as error:
            failure = connection.failure(error, self.path)
            if failure is None:
                raise
            raise failure from error

    def _connect(self) -> None:
        db = connection.connect(self.path)
        try:
            check_version(db, self.path)
            self.journal_mode = connection.configure(db)
            migrate(db, self.path)
            set_up_words(db)
            self._politeness.watch(db)
        except BaseException:
            db.close()
            raise
        self._db = db

    def _disconnect(self) -> None:
        self._checkpoints.close()
        self._readers.close()
        if self._db is not None:
            self._db.close()
            self._db = None

    def _transaction(self, function: Callable[[Database], T], rearranges: Callable[[T], bool]) -> T:
        assert self._db is not None, "the store is closed"
        self._politeness.begin()
        with self._db.atomic():
            result = function(self._db)
        # Only now: who reads meanwhile must not take what was before for what is.
        if rearranges(result):
            self.revision += 1
        return result
