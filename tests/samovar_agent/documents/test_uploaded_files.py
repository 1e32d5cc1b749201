"""Files on their way in: kept whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from samovar_agent.documents.uploaded_files import UploadedFiles
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "samovar.db")
    yield store
    await store.close()


@pytest.fixture
def files(store: Store, tmp_path: Path) -> UploadedFiles:
    return UploadedFiles(store, tmp_path / "files", most_bytes=100)


def kept(files: UploadedFiles) -> dict[str, bytes]:
    found = [path for path in files.folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(files.folder)): path.read_bytes() for path in found}


async def test_a_file_that_is_kept(files: UploadedFiles, store: Store) -> None:
    async with files.incoming("tea.txt") as incoming:
        await incoming.write(b"black ")
        await incoming.write(b"tea")
        row = await incoming.keep("assistants")
    assert (row.name, row.purpose, row.size) == ("tea.txt", "assistants", 9)
    assert row.sha256 == hashlib.sha256(b"black tea").hexdigest()
    assert await store.files.get(row.id) == row
    assert kept(files) == {"1/tea.txt": b"black tea"}
    assert files.path(row).read_bytes() == b"black tea"
    assert await files.delete(row.id)
    assert not await files.delete(row.id)
    assert kept(files) == {}


async def test_a_file_that_is_not_kept(files: UploadedFiles, store: Store) -> None:
    async with files.incoming("tea.txt") as incoming:
        await incoming.write(b"half of")
    with pytest.raises(RuntimeError):
        async with files.incoming("tea.txt") as incoming:
            await incoming.write(b"half of")
            raise RuntimeError
    assert kept(files) == {}
    assert await store.files.ids() == set()


async def test_a_file_that_nobody_waits_for_any_more(files: UploadedFiles) -> None:
    writing = asyncio.Event()

    async def endless() -> None:
        async with files.incoming("tea.txt") as incoming:
            while True:
                incoming.size = 0
                await incoming.write(bytes(50))
                writing.set()

    task = asyncio.create_task(endless())
    await writing.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert kept(files) == {}


async def test_the_limit_is_the_last_byte_that_is_taken(files: UploadedFiles) -> None:
    async with files.incoming("tea.txt") as incoming:
        await incoming.write(bytes(100))
        with pytest.raises(SamovarError) as error:
            await incoming.write(b"x")
    assert error.value.code == FailureCode.TOO_LARGE
    assert kept(files) == {}


@pytest.mark.parametrize("name", ["../x", "", ".", "a/b", "NUL", "x\n"])
async def test_names_that_are_paths(files: UploadedFiles, name: str) -> None:
    with pytest.raises(SamovarError) as error:
        async with files.incoming(name):
            pass
    assert error.value.code == FailureCode.PATH_REFUSED
    assert not files.folder.exists()


async def test_a_folder_that_cannot_be_made(store: Store, tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a folder")
    with pytest.raises(SamovarError) as error:
        async with UploadedFiles(store, tmp_path / "files").incoming("tea.txt"):
            pass
    assert error.value.code == FailureCode.DISK_FULL


async def test_an_id_that_a_dead_agent_had_not_given_yet(files: UploadedFiles) -> None:
    async with files.incoming("first.txt") as incoming:
        await incoming.keep("assistants")
    (files.folder / "2").mkdir()
    (files.folder / "2" / "never committed.txt").write_bytes(b"x")
    async with files.incoming("second.txt") as incoming:
        await incoming.keep("assistants")
    assert set(kept(files)) == {"1/first.txt", "2/second.txt"}


async def test_a_new_agent_removes_what_has_no_row(files: UploadedFiles, store: Store) -> None:
    async with files.incoming("tea.txt") as incoming:
        await incoming.keep("assistants")
    for name in ("incoming/half", "7/deleted.txt", "notes/of somebody.txt"):
        (files.folder / name).parent.mkdir(exist_ok=True)
        (files.folder / name).write_bytes(b"")
    again = UploadedFiles(store, files.folder)
    async with again.incoming("x.txt"):
        pass
    assert set(kept(files)) == {"1/tea.txt", "notes/of somebody.txt"}
