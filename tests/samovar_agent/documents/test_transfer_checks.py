"""Files that are well formed, and lie."""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar_agent.documents import transfer_checks as checks
from samovar_agent.documents import transfer_format as form
from samovar_agent.documents.transfer import import_
from samovar_agent.documents.transfer_format import Unsound
from samovar_agent.store.imports import Imported
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import DocumentInfo
from tests.samovar_agent.documents.transfer_made import nothing_left, vector_of
from tests.samovar_agent.store.documents_made import sound

SHA = "ab" * 32
Made = list[dict[str, Any]]


def sound_records() -> Made:
    """A small collection, as records without types."""
    content = {"sha256": SHA, "recipe": "r", "title": "t", "media_type": "text/plain", "pages": 2, "chunks": 2}
    document = {
        "type": "document",
        "source": 0,
        "path": "/a/b",
        "name": "b",
        "size": 3,
        "mtime": 1.5,
        "sha256": SHA,
        "media_type": "text/plain",
        "title": "t",
        "pages": 2,
        "state": "ready",
        "problem": None,
        "indexed_at": 2.5,
        "content": content,
        "same": False,
    }
    chunks = [["green tea", 0, 9, 2, "h", 1, vector_of(1)], ["tea leaves", 6, 16, 2, "h", None, None]]
    header = {
        "type": "collection",
        "name": "papers",
        "settings": '{"a": 1}',
        "model": "m",
        "dimensions": 8,
        "sources": 2,
        "documents": 3,
        "chunks": 2,
        "vectors": 1,
    }
    return [
        header,
        {"type": "source", "kind": "folder", "path": "/a", "excludes": ["*.x"], "watch": True},
        {"type": "source", "kind": "text", "path": None, "excludes": [], "watch": False},
        document,
        {"type": "chunks", "chunks": chunks},
        {**document, "path": "/a/c", "content": None, "same": True},
        {**document, "source": 1, "path": None, "content": {**content, "chunks": 0}},
    ]


def take(records: Made) -> list[Imported]:
    """Raises `Unsound`, and nothing else."""
    decoder = msgspec.msgpack.Decoder(form.Record)
    try:
        decoded = iter([decoder.decode(msgspec.msgpack.encode(record)) for record in records])
    except msgspec.MsgspecError as error:
        raise Unsound(str(error)) from error
    head, _ = checks.header(decoded)
    return list(checks.items(head, decoded))


def write(path: Path, records: Made) -> None:
    with path.open("wb") as file:
        writer = form.Writer(file)
        writer._encoder = msgspec.msgpack.Encoder()
        for record in records:
            writer.write(record)  # type: ignore[arg-type]
        writer.close()


def test_what_is_sound_is_taken() -> None:
    assert len(take(sound_records())) == 6


def changed(*places: Any, to: object) -> Callable[[Made], None]:
    def change(records: Made) -> None:
        target: Any = records
        for place in places[:-1]:
            target = target[place]
        target[places[-1]] = to

    return change


def without(number: int) -> Callable[[Made], None]:
    def change(records: Made) -> None:
        del records[number]

    return change


def doubled(number: int) -> Callable[[Made], None]:
    return lambda records: records.insert(number, records[number])


LIES: dict[str, Callable[[Made], None]] = {
    "no header": without(0),
    "two headers": doubled(0),
    "no name": changed(0, "name", to=""),
    "a name of 301 characters": changed(0, "name", to="n" * 301),
    "a name with NUL": changed(0, "name", to="a\0b"),
    "settings that are no JSON": changed(0, "settings", to="{"),
    "settings that are no object": changed(0, "settings", to="[1]"),
    "settings too deep": changed(0, "settings", to='{"a":' + "[" * 60_000),
    "settings too large": changed(0, "settings", to='{"a":"' + "x" * 70_000 + '"}'),
    "vectors of no model": changed(0, "model", to=None),
    "vectors without dimensions": changed(0, "dimensions", to=0),
    "too many dimensions": changed(0, "dimensions", to=10**9),
    "other dimensions": changed(0, "dimensions", to=9),
    "more sources": changed(0, "sources", to=3),
    "fewer sources": changed(0, "sources", to=1),
    "more documents": changed(0, "documents", to=4),
    "fewer documents": changed(0, "documents", to=2),
    "more chunks": changed(0, "chunks", to=3),
    "fewer chunks": changed(0, "chunks", to=1),
    "fewer vectors": changed(0, "vectors", to=0),
    "a count below nothing": changed(0, "chunks", to=-1),
    "an absurd count": changed(0, "chunks", to=1 << 60),
    "a count that is text": changed(0, "chunks", to="2"),
    "a source is missing": without(1),
    "a source too many": doubled(1),
    "an unknown kind": changed(1, "kind", to="network"),
    "a folder without a path": changed(1, "path", to=None),
    "a text with a path": changed(2, "path", to="/etc"),
    "a relative path": changed(1, "path", to="a"),
    "a path with NUL": changed(1, "path", to="/a\0"),
    "a pattern that is none": changed(1, "excludes", to=["!"]),
    "a pattern too long": changed(1, "excludes", to=["x" * 1001]),
    "too many patterns": changed(1, "excludes", to=["x"] * 1001),
    "a document of no source": changed(3, "source", to=2),
    "a document of a source below nothing": changed(3, "source", to=-1),
    "a document elsewhere": changed(3, "path", to="/etc/passwd"),
    "a document beside its folder": changed(3, "path", to="/ab/c"),
    "a document above its folder": changed(3, "path", to="/a/../etc/passwd"),
    "a document without a path": changed(3, "path", to=None),
    "a text with a document's path": changed(6, "path", to="/a/b"),
    "a digest that is none": changed(3, "sha256", to="AB" * 32),
    "a digest with a line break": changed(3, "sha256", to=SHA[:-1] + "\n"),
    "a size below nothing": changed(3, "size", to=-1),
    "an absurd size": changed(3, "size", to=1 << 63),
    "a time that is no number": changed(3, "mtime", to=math.nan),
    "an endless time": changed(3, "mtime", to=math.inf),
    "a time of reading that is no number": changed(3, "indexed_at", to=math.nan),
    "an absurd time": changed(3, "mtime", to=1e300),
    "an unknown state": changed(3, "state", to="gone"),
    "ready without a text": changed(3, "content", to=None),
    "a problem that is none": changed(3, "problem", to="{}"),
    "a problem of an unknown reason": changed(3, "problem", to='{"reason":"x","message":"m"}'),
    "the same as nothing": changed(3, "same", to=True),
    "the same of another": changed(6, "same", to=True),
    "a name with a NUL": changed(3, "name", to="a\0"),
    "an endless title": changed(3, "title", to="x" * 100_001),
    "pages below nothing": changed(3, "pages", to=-1),
    "a content without chunks": changed(3, "content", "chunks", to=3),
    "a content with fewer chunks": changed(3, "content", "chunks", to=1),
    "chunks of nothing": lambda records: records.insert(3, records.pop(4)),
    "no chunks": changed(4, "chunks", to=[]),
    "a chunk before the text": changed(4, "chunks", 0, 1, to=-1),
    "a chunk longer than it says": changed(4, "chunks", 0, 2, to=8),
    "a chunk shorter than it says": changed(4, "chunks", 0, 2, to=10**7),
    "a chunk at the end of the world": changed(4, "chunks", 1, to=["tea", 10**12, 10**12 + 3, 1, "", None, None]),
    "a chunk before the one before": changed(4, "chunks", 0, to=["green tea", 7, 16, 2, "h", 1, None]),
    "tokens below nothing": changed(4, "chunks", 0, 3, to=-1),
    "a page that is text": changed(4, "chunks", 0, 5, to="1"),
    "a text that is bytes": changed(4, "chunks", 0, 0, to=b"green tea"),
    "a chunk of two fields": changed(4, "chunks", 0, to=["green tea", 0]),
    "a vector of other dimensions": changed(4, "chunks", 0, 6, to=vector_of(1)[:-4]),
    "half a number": changed(4, "chunks", 0, 6, to=vector_of(1)[:-1]),
    "no vector at all": changed(4, "chunks", 0, 6, to=b""),
    "a vector that is no number": changed(4, "chunks", 0, 6, to=struct.pack("<8f", math.nan, *[0.0] * 7)),
    "an endless vector": changed(4, "chunks", 0, 6, to=struct.pack("<8f", math.inf, *[0.0] * 7)),
    "a vector without direction": changed(4, "chunks", 0, 6, to=bytes(32)),
    "a vector that is nearer to everything": changed(4, "chunks", 0, 6, to=struct.pack("<8f", *[9.0] * 8)),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(lie: str) -> None:
    records = sound_records()
    LIES[lie](records)
    with pytest.raises(Unsound) as unsound:
        take(records)
    assert not str(unsound.value).endswith(".")


async def test_lies_leave_nothing_in_the_store(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    refused = 0
    for lie in LIES.values():
        records = sound_records()
        lie(records)
        try:
            write(tmp_path / "f", records)
        except (msgspec.MsgspecError, OverflowError):
            continue
        with pytest.raises(SamovarError, match="no sound export") as failure:
            await import_(store, tmp_path / "f", None, on_progress=lambda progress: None)
        assert failure.value.code == FailureCode.BAD_REQUEST
        await nothing_left(store)
        refused += 1
    assert refused > 60
    records = sound_records()
    records[5]["path"] = "/a/b"
    write(tmp_path / "f", records)
    with pytest.raises(SamovarError, match="same path"):
        await import_(store, tmp_path / "f", None, on_progress=lambda progress: None)
    await nothing_left(store)
    await sound(store)
    await store.close()


def test_folders_of_the_other_kind_of_machine() -> None:
    for folder, path, belongs in (
        ("C:\\docs", "C:\\docs\\a\\b.txt", True),
        ("C:/docs", "C:/docs\\a.txt", True),
        ("C:\\", "C:\\a.txt", True),
        ("\\\\server\\share", "\\\\server\\share\\a.txt", True),
        ("/", "/a.txt", True),
        ("/docs", "/docs/a\\..\\b", True),
        ("C:\\docs", "C:\\docs\\..\\secret", False),
        ("C:\\docs", "C:\\docsx", False),
        ("C:docs", "C:docs\\a", False),
    ):
        records = sound_records()
        records[1]["path"] = folder
        records[3]["path"], records[5]["path"] = path, path + "x" if belongs else path
        if belongs:
            assert len(take(records)) == 6
        else:
            with pytest.raises(Unsound):
                take(records)


def test_what_a_newer_program_adds_is_passed_over() -> None:
    records = sound_records()
    for record in records:
        record["of_the_future"] = {"a": [1, None]}
    assert len(take(records)) == 6


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=40),
    st.sampled_from(["/a", "/a/b", "ready", "queued", "failed", SHA, "{}"]),
    st.lists(st.integers(-9, 9), max_size=3),
)


@st.composite
def liars(draw: st.DrawFn) -> Made:
    """Records with one to three changes of any kind."""
    records = sound_records()
    for _ in range(draw(st.integers(1, 3))):
        target: Any = records
        while True:
            keys = list(target) if isinstance(target, dict) else list(range(len(target)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(target[key], dict | list) and draw(st.booleans()):
                target = target[key]
                continue
            if isinstance(target, list) and draw(st.booleans()):
                target.insert(key, target[key])
            elif draw(st.booleans()):
                del target[key]
            else:
                target[key] = draw(values)
            break
    return records


def _encodable(records: Made) -> bool:
    return all(isinstance(record, dict) for record in records)


@given(liars())
def test_any_change_is_refused_or_taken(records: Made) -> None:
    if not _encodable(records):
        return
    with contextlib.suppress(Unsound):
        take(records)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(liars())
def test_what_is_taken_can_be_stored_and_sent(records: Made) -> None:
    if _encodable(records):
        asyncio.run(_import(records))


async def _import(records: Made) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        write(path, records)
        store = await Store.open(Path(folder) / "samovar.db")
        try:
            collection = await import_(store, path, None, on_progress=lambda progress: None)
        except SamovarError as error:
            assert error.code == FailureCode.BAD_REQUEST
            await nothing_left(store)
        else:
            await sound(store)
            for row in await store.documents.ls(collection=collection.id):
                shown = DocumentInfo(
                    id=row.id,
                    collection=collection.name,
                    source=row.source,
                    name=row.name,
                    title=row.title,
                    state=row.state,
                    size_bytes=row.size,
                    changed_at=row.mtime,
                    path=row.path,
                    indexed_at=row.indexed_at,
                )
                assert msgspec.json.decode(msgspec.json.encode(shown), type=DocumentInfo) == shown
                if row.content is not None:
                    assert len(await store.chunks.text(row.content)) < 1000
        finally:
            await store.close()
