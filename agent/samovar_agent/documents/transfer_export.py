"""Writes a collection as the records of `transfer_format`, from one state of the store. Blocks."""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from samovar_agent.documents import transfer_format as form
from samovar_agent.documents.transfer_checks import sound_vectors
from samovar_agent.store.collections import CollectionRow
from samovar_agent.store.contents import Content
from samovar_agent.store.documents import DocumentRow
from samovar_agent.store.exports import ExportedChunk, Snapshot
from samovar_agent.threads import Report, Stopped
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

_RECORD_CHARACTERS = 1 << 20
_REPORT_SECONDS = 0.2


class Export:
    """One collection on its way into a file. - report, stop: see `threads.reporting`."""

    def __init__(self, file: BinaryIO, collection: CollectionRow, report: Report, stop: threading.Event) -> None:
        self._writer = form.Writer(file)
        self._collection, self._report, self._stop = collection, report, stop
        self._documents = self._total = 0
        self._dimensions = 0
        self._told = 0.0

    def write(self, snapshot: Snapshot) -> int:
        """Everything; returns how many documents. Raises `too_large`, `Stopped`, and `OSError` of the file."""
        collection, counts = self._collection, snapshot.counts()
        self._total, self._dimensions = counts.documents, counts.dimensions
        model = collection.model if counts.vectors else None
        self._write(
            form.Header(
                name=collection.name,
                settings=msgspec.json.encode(collection.settings).decode(),
                model=collection.model,
                dimensions=counts.dimensions if model else 0,
                sources=counts.sources,
                documents=counts.documents,
                chunks=counts.chunks,
                vectors=counts.vectors,
                words_only=collection.words_only,
                exported_at=time.time(),
            )
        )
        sources = array("q")  # their ids, ascending: each pasted text is one, so that there may be a million
        for source in snapshot.sources():
            sources.append(source.id)
            self._write(form.Source(kind=source.kind, path=source.path, excludes=source.excludes, watch=source.watch))
            self._step()
        before: int | None = None
        for document in snapshot.documents():
            same = document.content is not None and document.content == before
            before = document.content
            number = bisect_left(sources, document.source)
            if document.content is None or same:
                self._write(_document(document, number, None, same))
            else:
                self._write(_document(document, number, snapshot.content(document.content), same))
                self._chunks(snapshot.chunks(document.content))
            self._documents += 1
            self._step()
        self._writer.close()
        return self._documents

    def _chunks(self, chunks: Iterator[ExportedChunk]) -> None:
        batch: list[ExportedChunk] = []
        characters = 0
        for chunk in chunks:
            batch.append(chunk)
            characters += len(chunk.chunk.text) + len(chunk.chunk.heading)
            if len(batch) == form.MAX_CHUNKS or characters > _RECORD_CHARACTERS:
                self._record(batch)
                batch, characters = [], 0
        if batch:
            self._record(batch)

    def _record(self, batch: list[ExportedChunk]) -> None:
        vectors = [one.vector or b"" for one in batch]
        # One that no search could use would be refused where it is imported; there it is computed anew.
        sound = sound_vectors(vectors, self._dimensions)
        self._write(
            form.Chunks(
                chunks=[
                    form.Chunk(
                        one.chunk.text,
                        one.chunk.start,
                        one.chunk.end,
                        one.chunk.tokens,
                        one.chunk.heading,
                        one.chunk.page,
                        vector if use else None,
                    )
                    for one, vector, use in zip(batch, vectors, sound, strict=True)
                ]
            )
        )
        self._step()

    def _write(self, record: form.Record) -> None:
        try:
            self._writer.write(record)
        except ValueError as error:
            message = f"The collection has something too large for an export: {error}."
            raise SamovarError(FailureCode.TOO_LARGE, message) from error

    def _step(self) -> None:
        if self._stop.is_set():
            raise Stopped
        now = time.monotonic()
        if now >= self._told + _REPORT_SECONDS or self._documents == self._total:
            self._told = now
            self._report(Progress(stage="exporting", done=self._documents, total=self._total, unit="documents"))


def _document(row: DocumentRow, source: int, content: tuple[Content, int] | None, same: bool) -> form.Document:
    says = None
    if content is not None:
        said, chunks = content
        says = form.Content(**said._asdict(), chunks=chunks)
    return form.Document(
        source=source,
        path=row.path,
        name=row.name,
        size=row.size,
        mtime=row.mtime,
        sha256=row.sha256,
        media_type=row.media_type,
        title=row.title,
        pages=row.pages,
        state=row.state,
        problem=row.problem,
        indexed_at=row.indexed_at,
        content=says,
        same=same,
    )
