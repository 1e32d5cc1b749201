"""What the records of an exported file must be before any of it is stored. The file may come from a stranger.

Types, lengths and ranges are checked where a record is decoded, by its type; here is what needs more than that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from samovar_agent.documents import transfer_format as form
from samovar_agent.documents.extracted import Problem
from samovar_agent.documents.folders_excludes import Excludes
from samovar_agent.documents.transfer_format import Unsound
from samovar_agent.store.contents import Content, NewChunk
from samovar_agent.store.imports import Imported, ImportedChunks, ImportedDocument, ImportedSource
from samovar_protocol import SamovarError
from samovar_protocol.documents import DocumentState, SourceState

_WINDOWS_ROOT = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_MOST_PLACES = 1 << 24
"""Characters of all sources' paths, which are kept in memory to compare the documents' with."""
_LENGTH_TOLERANCE = 0.01
"""How far from one a vector's length may be; a longer one would come before all others in every search."""

_UNREAD = Problem(
    reason="unreadable",
    message="It had not been read yet when the collection was exported.",
    hint="Add the file itself.",
)


def header(records: Iterator[form.Record]) -> tuple[form.Header, dict[str, Any]]:
    """The first record, and the settings in it. Raises `Unsound`."""
    first = next(records, None)
    if not isinstance(first, form.Header):
        raise Unsound("it does not begin with a collection")
    _plain(first.name, first.model or "")
    if (first.model is None or first.dimensions == 0) and first.vectors:
        raise Unsound("it has vectors of no model")
    if first.words_only and first.model is not None:
        raise Unsound("it has a model, and wants none")
    try:
        settings = msgspec.json.decode(first.settings, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unsound(f"its settings make no sense ({error})") from error
    return first, settings


def items(head: form.Header, records: Iterator[form.Record]) -> Iterator[Imported]:
    """What the other records mean for the store. Raises `Unsound`, also at the end where something is missing."""
    check = _Check(head)
    for record in records:
        if isinstance(record, form.Source):
            yield check.source(record)
        elif isinstance(record, form.Document):
            yield check.document(record)
        elif isinstance(record, form.Chunks):
            yield check.chunks(record)
        else:
            raise Unsound("it has two collections")
    check.end()


class _Check:
    """Knows what came before."""

    def __init__(self, head: form.Header) -> None:
        self._head = head
        self._places: dict[int, form.Source] = {}  # by their numbers, but for pasted texts: those may be a million
        self._place_characters = 0
        self._sources = self._documents = self._chunks = self._vectors = 0
        self._has_content = False
        self._expected = 0
        self._start = 0

    def source(self, source: form.Source) -> ImportedSource:
        if self._documents or self._sources == self._head.sources:
            raise Unsound("a source comes where none should")
        if (source.path is None) != (source.kind == "text"):
            raise Unsound("a source has no path, or one that means nothing")
        if source.path is not None and not _is_absolute(source.path):
            raise Unsound("a source has a path that is not absolute")
        _plain(source.path or "")
        try:
            Excludes(source.excludes)
        except SamovarError as error:
            raise Unsound("a source leaves out what is no pattern") from error
        if source.path is not None:
            self._places[self._sources] = msgspec.structs.replace(source, excludes=[])
            self._place_characters += len(source.path)
            if self._place_characters > _MOST_PLACES:
                raise Unsound("it has more folders than anybody has")
        self._sources += 1
        # Of another machine; what lies at that path here is somebody else's until its owner says otherwise.
        state: SourceState = "present" if source.kind == "text" else "paused"
        return ImportedSource(
            kind=source.kind, path=source.path, excludes=source.excludes, state=state, own_disk=source.own_disk
        )

    def document(self, document: form.Document) -> ImportedDocument:
        self._no_chunks_missing()
        self._documents += 1
        if self._sources != self._head.sources or self._documents > self._head.documents:
            raise Unsound("a document comes where none should")
        if document.source >= self._sources:
            raise Unsound("a document has a source that is not there")
        source, path = self._places.get(document.source), document.path
        # Reading it again must not read just any file, but only what its source's owner has agreed to.
        if (path is None) != (source is None) or (path and source and not _belongs(path, source)):
            raise Unsound("a document lies outside of its source")
        _plain(path or "", document.name, document.media_type, document.title)
        if not all(map(math.isfinite, (document.mtime, document.indexed_at or 0.0))):
            raise Unsound("a document has a time that is none")
        content = document.content
        if document.same and (content is not None or not self._has_content):
            raise Unsound("a document says what none before it says")
        said = document.same or content is not None
        if content is not None:
            _plain(content.recipe, content.title, content.media_type)
            self._has_content, self._expected, self._start = True, content.chunks, 0
        elif not said:
            self._has_content = False
        state, problem = _state(document, said)
        return ImportedDocument(
            source=document.source,
            path=path,
            name=document.name,
            size=document.size,
            mtime=document.mtime,
            sha256=document.sha256,
            media_type=document.media_type,
            title=document.title,
            pages=document.pages,
            state=state,
            problem=problem,
            indexed_at=document.indexed_at,
            content=None
            if content is None
            else Content(content.sha256, content.recipe, content.title, content.media_type, content.pages),
            same=document.same,
        )

    def chunks(self, record: form.Chunks) -> ImportedChunks:
        count = len(record.chunks)
        if count > self._expected:
            raise Unsound("a text has more passages than it says")
        self._expected -= count
        self._chunks += count
        for chunk in record.chunks:
            if chunk.end - chunk.start != len(chunk.text) or chunk.start < self._start:
                raise Unsound("a passage does not stand where it says")
            self._start = chunk.start
            _plain(chunk.heading)
        vectors = [chunk.vector for chunk in record.chunks if chunk.vector is not None]
        self._vectors += len(vectors)
        if self._chunks > self._head.chunks or self._vectors > self._head.vectors:
            raise Unsound("it has more passages or vectors than it says")
        if not all(sound_vectors(vectors, self._head.dimensions)):
            raise Unsound("a vector has other dimensions, another length, or a value that is no number")
        return ImportedChunks(
            chunks=[
                NewChunk(
                    text=chunk.text,
                    start=chunk.start,
                    end=chunk.end,
                    tokens=chunk.tokens,
                    heading=chunk.heading,
                    page=chunk.page,
                )
                for chunk in record.chunks
            ],
            vectors=[chunk.vector for chunk in record.chunks],
        )

    def end(self) -> None:
        self._no_chunks_missing()
        found = self._sources, self._documents, self._chunks
        if found != (self._head.sources, self._head.documents, self._head.chunks):
            raise Unsound("it has fewer documents or passages than it says")

    def _no_chunks_missing(self) -> None:
        if self._expected:
            raise Unsound("a text has fewer passages than it says")


def sound_vectors(vectors: list[bytes], dimensions: int) -> list[bool]:
    """Of each, whether it is a direction of so many dimensions, as a search takes it to be."""
    if not vectors or dimensions == 0:
        return [False] * len(vectors)
    import numpy as np

    right = [len(vector) == dimensions * 4 for vector in vectors]
    values = np.frombuffer(b"".join([one for one, fits in zip(vectors, right, strict=True) if fits]), dtype="<f4")
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(values.reshape(-1, dimensions).astype(np.float64), axis=1)
        near = iter((np.abs(lengths - 1) <= _LENGTH_TOLERANCE).tolist())  # False too where it is no number
    return [fits and next(near) for fits in right]


def _state(document: form.Document, said: bool) -> tuple[DocumentState, str | None]:
    """What it is here, where its file cannot be read, and its problem."""
    if document.problem is not None:
        try:
            msgspec.json.decode(document.problem, type=Problem)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Unsound("a document has a problem that makes no sense") from error
    if document.state == "ready" and not said:
        raise Unsound("a document is ready and says nothing")
    if document.state in ("ready", "failed"):
        return document.state, document.problem
    return ("ready", document.problem) if said else ("failed", msgspec.json.encode(_UNREAD).decode())


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or _WINDOWS_ROOT.match(path) is not None


def _belongs(path: str, source: form.Source) -> bool:
    """Whether a document may come from that source, by the rules of the kind of machine that both are of."""
    assert source.path is not None
    if path == source.path or source.kind == "file":
        return path == source.path
    separators = "/" if source.path.startswith("/") else "/\\"
    root = source.path.rstrip(separators)
    below = path[len(root) :]
    for separator in separators[1:]:
        below = below.replace(separator, "/")
    return path.startswith(root) and below.startswith("/") and not {"..", "."} & set(below.split("/"))


def _plain(*texts: str) -> None:
    if any("\0" in text for text in texts):
        raise Unsound("a name has a character that no name can have")
