"""A collection as one file, to keep or to take elsewhere, where it needs neither its documents' files nor new vectors.

    reply = await export(store, collection, Path("/media/stick/papers.samovar"), replace=False, on_progress=show)
    collection = await import_(store, Path("/media/stick/papers.samovar"), None, on_progress=show)

The format and its reasons are in `transfer_format`. A file has its name once it is whole, and an imported collection
is seen once it is: cancelling or killing either leaves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from samovar_agent.documents import transfer_checks as checks
from samovar_agent.documents import transfer_format as form
from samovar_agent.documents.transfer_export import Export
from samovar_agent.models.gguf_reader import printable, shown
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.exports import Snapshot
from samovar_agent.store.imports import Imported, ImportedChunks, ImportedDocument, Importing
from samovar_agent.store.store import Store
from samovar_agent.threads import Report, reporting, stoppable
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import DocsExportReply
from samovar_protocol.values import Progress

PARTIAL = ".samovar-partial"
"""How the file ends while it is written, beside where it will be."""

_LONGEST_NAME = 255
"""Bytes, on nearly every disk."""
_BATCH_CHUNKS = form.MAX_CHUNKS
_BATCH_ITEMS = 1000
_BATCH_CHARACTERS = 1 << 20
"""What goes in one transaction: others wait for the writer meanwhile, less than a tenth of a second."""

_exporting: set[Path] = set()


async def export(
    store: Store, collection: CollectionRow, path: Path, *, replace: bool, on_progress: Callable[[Progress], None]
) -> DocsExportReply:
    """Write a collection to `path`, as it is when this begins, for nobody else to read.

    Of its vectors those of `collection.model` are in it.

    - replace: overwrite a file that is there. Raises `bad_request`, `not_found` for a folder that is not there,
    `disk_full`, `busy` where it is being written already.
    """
    loop = asyncio.get_running_loop()
    if path in _exporting:
        raise SamovarError(FailureCode.BUSY, f"{_name(path)} is being written already.", hint="Wait for that.")
    _exporting.add(path)

    async def read(writing: Export) -> int:
        def write(snapshot: Snapshot) -> int:
            with _writing(path):  # or the store would take the failure for one of its own
                return writing.write(snapshot)

        return await store.exports.read(collection.id, collection.model, write)

    def work(report: Report, stop: threading.Event) -> DocsExportReply:
        _check_free(path, replace)
        partial = _partial(path)
        try:
            with _writing(path), _opened_anew(partial) as file:
                writing = Export(file, collection, report, stop)
                documents = asyncio.run_coroutine_threadsafe(read(writing), loop).result()
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            _check_free(path, replace)
            with _writing(path):
                partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        return DocsExportReply(path=shown(path), size_bytes=size, documents=documents)

    try:
        return await reporting(work, on_progress)
    finally:
        _exporting.discard(path)


async def import_(
    store: Store, path: Path, name: str | None, *, on_progress: Callable[[Progress], None]
) -> CollectionRow:
    """Take in a file that `export` wrote, here or elsewhere. Its folders are paused: nothing here is watched or read.

    - name: of the new collection; None for the one it had, with a number behind it where that is taken.
    Raises `not_found`, `bad_request` for a name that is taken and for a file that is no sound export, `disk_full`.
    """
    file = await asyncio.to_thread(_open, path)
    try:
        with _reading(path):
            records = form.records(file)
            head, settings = await stoppable(lambda stop: checks.header(records))
        await _check_dimensions(store, head)
        begun = asyncio.ensure_future(
            store.imports.begin(
                head.name if name is None else name,
                exact=name is not None,
                model=head.model,
                words_only=head.words_only,
                settings=settings,
            )
        )
        try:
            importing = await asyncio.shield(begun)
            portions = _portions(checks.items(head, records))
            done = 0
            while portion := await _next(portions, path):
                await importing.add(portion)
                done += sum(isinstance(item, ImportedDocument) for item in portion)
                on_progress(Progress(stage="importing", done=done, total=head.documents, unit="documents"))
            return await importing.finish()
        except BaseException:
            await _finished(_discard(begun))
            raise
    finally:
        file.close()


def _portions(items: Iterator[Imported]) -> Iterator[list[Imported]]:
    """What is stored at once."""
    portion: list[Imported] = []
    chunks = characters = 0
    for item in items:
        portion.append(item)
        if isinstance(item, ImportedChunks):
            chunks += len(item.chunks)
            characters += sum(len(chunk.text) + len(chunk.heading) for chunk in item.chunks)
        elif isinstance(item, ImportedDocument):
            characters += len(item.name) + len(item.title) + len(item.path or "") + len(item.problem or "")
        else:
            characters += sum(map(len, item.excludes))
        if chunks >= _BATCH_CHUNKS or characters >= _BATCH_CHARACTERS or len(portion) >= _BATCH_ITEMS:
            yield portion
            portion, chunks, characters = [], 0, 0
    if portion:
        yield portion


async def _check_dimensions(store: Store, head: form.Header) -> None:
    """Look, before anything is stored, whether the vectors would fit those of other collections."""
    if head.model is None or not head.vectors:
        return
    known = await store.vectors.state(head.model)
    if known.vectors and known.dimensions != head.dimensions:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"The file's vectors of '{printable(head.model)}' have {head.dimensions} dimensions; those that are"
            f" here have {known.dimensions}.",
            hint="Export it again where it comes from, with the same embedding model as here, or without one.",
        )


async def _discard(begun: asyncio.Future[Importing]) -> None:
    await (await begun).discard()


async def _finished(work: Coroutine[Any, Any, object]) -> None:
    """Come to the end of it, whoever cancels us meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    with contextlib.suppress(Exception):  # what is left goes with the next start
        task.result()


async def _next(portions: Iterator[list[Imported]], path: Path) -> list[Imported] | None:
    with _reading(path):
        return await stoppable(lambda stop: next(portions, None))


def _check_free(path: Path, replace: bool) -> None:
    if path.is_dir():
        raise SamovarError(FailureCode.BAD_REQUEST, f"{_name(path)} is a folder.", hint="Name a file in it.")
    if not replace and os.path.lexists(path):
        raise SamovarError(
            FailureCode.BAD_REQUEST, f"{_name(path)} is there already.", hint="Choose another name, or replace it."
        )
    if not path.parent.is_dir():
        raise SamovarError(
            FailureCode.NOT_FOUND, f"There is no folder {_name(path.parent)}.", hint="Make it, or choose another."
        )


def _partial(path: Path) -> Path:
    """Where it is written: always the same place, so that what a killed agent left does not stay beside the next."""
    if len(os.fsencode(path.name)) <= _LONGEST_NAME - len(PARTIAL):
        return path.with_name(path.name + PARTIAL)
    return path.with_name(hashlib.sha256(os.fsencode(path.name)).hexdigest() + PARTIAL)


def _opened_anew(partial: Path) -> BinaryIO:
    """For this user alone, as it holds what their documents say; and never through a link that somebody put there."""
    partial.unlink(missing_ok=True)
    return os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb")


def _open(path: Path) -> BinaryIO:
    with _reading(path):
        # Without waiting for the other end of a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise form.Unsound("it is no regular file")
        return file


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"{_name(path)} could not be written: {error.strerror or error}.",
            hint="Free some room, correct the folder's permissions, or choose another folder.",
        ) from error


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except form.UnknownVersion as error:
        newer = error.version > form.VERSION
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"{_name(path)} was exported by {'a newer' if newer else 'another'} Samovar: {error}.",
            hint="Update Samovar." if newer else "Export it again with this version.",
        ) from error
    except form.Unsound as error:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"{_name(path)} is no sound export of a collection: {printable(str(error))}.",
            hint="Export it again, or copy it again from where it comes.",
        ) from error
    except FileNotFoundError as error:
        raise SamovarError(FailureCode.NOT_FOUND, f"There is no file {_name(path)}.") from error
    except OSError as error:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"{_name(path)} could not be read: {error.strerror or error}.",
            hint="Correct its permissions, or copy it again.",
        ) from error


def _name(path: Path) -> str:
    return printable(shown(path))
