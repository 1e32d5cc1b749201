"""A folder full of trouble, read by the real process: each file has its reason, and everything else is found."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from samovar_agent.documents.extracted import Extracted, Problem
from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.extraction.names import file_title
from samovar_agent.documents.folders import look
from samovar_agent.documents.folders_excludes import Excludes
from samovar_agent.documents.indexing import Cutter, Indexing
from samovar_agent.store.documents import DocumentRow, NewDocument
from samovar_agent.store.store import Store
from tests.samovar_agent.documents.extraction import samples
from tests.samovar_agent.documents.extraction.compound import compound
from tests.samovar_agent.store.documents_made import sound

TROUBLE = {
    "encrypted.pdf": ("encrypted", samples.pdf([[(11, "Secret tea.")]], encrypted=True)),
    "encrypted.docx": ("encrypted", compound({"EncryptedPackage": b"\x17" * 5000, "EncryptionInfo": bytes(5000)})),
    "empty.txt": ("empty", b""),
    "cut.docx": ("damaged", samples.docx()[:300]),
    "program.docx": ("mislabelled", b"MZ\x90\0" + bytes(range(256)) * 40),
    "deep.html": ("too_deep", b"<div>" * 200_000 + b"tea"),
    "scan.pdf": ("no_text", samples.pdf([[], []])),
    "archive.zip": ("unsupported", samples.package({"a.zip": samples.package({"b.txt": "tea"})})),
}
FINE = {
    "western.txt": "Grüner Tee, schön geröstet für alle Gäste.".encode("latin-1"),
    "wide.txt": "Weißer Tee".encode("utf-16"),
    "japanese.txt": "お茶と samovar がある。緑茶です。".encode("shift-jis"),
    "two\nlines.md": b"# Kettle\n\nThe kettle sings.",
    "pdf.txt": samples.pdf([[(11, "Soft water makes the better tea, said many of them.")] * 4]),
}


class Words:
    """Cuts by words."""

    recipe = "words"
    target = 64

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class Bench:
    """A folder as a source, and what reads it."""

    def __init__(self, store: Store, folder: Path, extractor: Extractor, collection: int, source: int) -> None:
        self.store, self.folder, self._collection, self._source = store, folder, collection, source
        self.extractor = extractor
        self.indexing = Indexing(store, extractor, self._cutter_of, told=lambda document, stored: None)

    async def add_all(self) -> None:
        """Queue what the folder holds now."""
        found = await asyncio.to_thread(look, str(self.folder), Excludes())
        await self.store.documents.add(
            [
                NewDocument(
                    collection=self._collection,
                    source=self._source,
                    path=file.path,
                    name=file_title(file.path.encode()),
                    size=file.size,
                    mtime=file.mtime,
                )
                for file in found.files
            ]
        )
        self.indexing.wake()

    async def done(self) -> dict[str, tuple[str, str]]:
        """The state of each file once all are read, and why it is not."""
        async with asyncio.timeout(120):
            while set(await self.store.documents.counts()) - {"ready", "failed"}:
                await asyncio.sleep(0.02)
        rows = await self.store.documents.ls()
        return {Path(row.path or "").name: (row.state, _reason(row)) for row in rows}

    async def _cutter_of(self, collection: int) -> Cutter:
        return Words()


def _reason(row: DocumentRow) -> str:
    return msgspec.json.decode(row.problem, type=Problem).reason if row.problem else ""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    folder = tmp_path / "folder"
    folder.mkdir()
    store = await Store.open(tmp_path / "samovar.db")
    collection = await store.collections.create("notes")
    source = await store.sources.add(collection.id, "folder", str(folder))
    extractor = Extractor(tmp_path / "scratch")
    bench = Bench(store, folder, extractor, collection.id, source.id)
    task = asyncio.create_task(bench.indexing.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await extractor.close()
    await sound(store)
    await store.close()


async def test_a_folder_full_of_trouble(bench: Bench) -> None:
    for name, (_, content) in TROUBLE.items():
        (bench.folder / name).write_bytes(content)
    for name, content in FINE.items():
        (bench.folder / name).write_bytes(content)
    with (bench.folder / "large.log").open("wb") as file:
        file.truncate(500 * 1024 * 1024)
    (bench.folder / "loop").symlink_to(bench.folder)
    (bench.folder / "itself.txt").symlink_to("itself.txt")
    await bench.add_all()

    assert await bench.done() == {
        **{name: ("failed", reason) for name, (reason, _) in TROUBLE.items()},
        **dict.fromkeys(FINE, ("ready", "")),
        "large.log": ("failed", "too_large"),
    }
    for word in ("geröstet", "Weißer", "samovar", "kettle", "water"):
        assert len(await bench.store.chunks.words(word)) == 1, word


async def test_a_folder_that_vanishes_midway(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        (bench.folder / f"{number}.txt").write_text(f"number{number} of them")
    asked, extract = 0, bench.extractor.extract

    async def vanishing(path: Path) -> Extracted:
        nonlocal asked
        asked += 1
        if asked == 60:  # more than are asked for ahead, so that some have been read
            shutil.rmtree(bench.folder)
        return await extract(path)

    monkeypatch.setattr(bench.extractor, "extract", vanishing)
    await bench.add_all()
    states = await bench.done()
    assert len(states) == 100
    assert set(states.values()) == {("ready", ""), ("failed", "unreadable")}
    for name, (state, _) in states.items():
        assert len(await bench.store.chunks.words(f"number{name.removesuffix('.txt')}")) == (state == "ready")

    bench.folder.mkdir()
    for number in range(100):
        (bench.folder / f"{number}.txt").write_text(f"number{number} of them, again")
    await bench.add_all()
    assert set((await bench.done()).values()) == {("ready", "")}
    assert len(await bench.store.chunks.words("again", limit=200)) == 100
