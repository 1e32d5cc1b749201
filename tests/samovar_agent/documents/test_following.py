import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from samovar_agent.documents.folders_watching import SourceWatch
from samovar_agent.documents.following import Following
from samovar_agent.documents.indexing import Cutter, Indexing
from samovar_agent.store.documents import DocumentRow, Stored
from samovar_agent.store.sources import SourceRow
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.documents.bench import Bench, PlainReader, until_so

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such names there")


class Folder:
    """A folder that is a source, and what follows it."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.store = bench, bench.store
        self.root = bench.path / "notes"
        self.root.mkdir()
        self.changed: list[int] = []
        self.removed: list[int] = []
        watch = SourceWatch(tick=0.02, quiet=0.05, poll=0.1)
        self.following = Following(self.store, changed=self.changed.append, removed=self._removed, watch=watch)
        self.reader = PlainReader()
        self.indexing = Indexing(self.store, self.reader, self._cutter, told=self._told)
        self.tasks: list[asyncio.Task[None]] = []

    async def _removed(self, chunks: Sequence[int]) -> None:
        self.removed += chunks

    async def _cutter(self, collection: int) -> Cutter:
        return await self.bench.models.cutter(None)

    def _told(self, document: DocumentRow, stored: Stored | None) -> None:
        pass

    async def source(self, *, kind: str = "folder", path: Path | None = None, name: str = "notes") -> SourceRow:
        try:
            row = await self.store.collections.find(name)
        except SamovarError:
            row = await self.store.collections.create(name)
        return await self.store.sources.add(row.id, kind, str(path or self.root), watch=True)  # type: ignore[arg-type]

    async def read_all(self) -> None:
        """Read what is queued."""
        task = asyncio.create_task(self.indexing.run())

        async def done() -> bool:
            return not set(await self.store.documents.counts()) & {"queued", "indexing"}

        await until_so(done)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def names(self) -> dict[str, DocumentRow]:
        return {row.name: row for row in await self.store.documents.ls()}

    def follow(self) -> None:
        self.tasks.append(asyncio.create_task(self.following.run()))


@pytest.fixture
async def folder(documents_bench: Bench) -> AsyncIterator[Folder]:
    folder = Folder(documents_bench)
    yield folder
    for task in folder.tasks:
        task.cancel()
    await asyncio.gather(*folder.tasks, return_exceptions=True)


async def test_what_is_there_is_queued_once(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea.")
    (folder.root / "photo.jpg").write_bytes(b"x")
    source = await folder.source()
    first = await folder.following.look(source)
    assert (first.changed, first.unchanged, first.others, first.problems) == (1, 0, 1, {})
    again = await folder.following.look(source)
    assert (again.changed, again.unchanged) == (0, 1)
    assert folder.changed == [source.collection]


async def test_a_rename_keeps_what_was_read(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea is hot.")
    source = await folder.source()
    await folder.following.look(source)
    await folder.read_all()
    before = (await folder.names())["tea.md"]
    (folder.root / "tea.md").rename(folder.root / "coffee.md")
    step = await folder.following.look(source)
    assert step.changed == 0
    [after] = (await folder.names()).values()
    assert (after.id, after.content, after.state, after.name) == (before.id, before.content, "ready", "coffee.md")
    assert after.path == str(folder.root / "coffee.md")
    assert folder.reader.asked == ["tea.md"]


async def test_two_that_swap_their_names(folder: Folder) -> None:
    (folder.root / "a.md").write_text("First words.")
    (folder.root / "b.md").write_text("Second words, more of them.")
    source = await folder.source()
    await folder.following.look(source)
    await folder.read_all()
    (folder.root / "a.md").rename(folder.root / "c")
    (folder.root / "b.md").rename(folder.root / "a.md")
    (folder.root / "c").rename(folder.root / "b.md")
    await folder.following.look(source)
    await folder.read_all()
    rows = await folder.names()
    assert sorted(rows) == ["a.md", "b.md"]
    assert rows["a.md"].content is not None
    text = await folder.store.chunks.text(rows["a.md"].content)
    assert text.startswith("Second")


async def test_what_is_deleted_goes_with_its_chunks(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea is hot.")
    source = await folder.source()
    await folder.following.look(source)
    await folder.read_all()
    content = (await folder.names())["tea.md"].content
    assert content is not None
    chunks = [chunk.id for chunk in await folder.store.chunks.of_content(content)]
    (folder.root / "tea.md").unlink()
    await folder.following.look(source)
    assert await folder.names() == {}
    assert folder.removed == chunks


async def test_only_what_somebody_named_is_looked_at(folder: Folder) -> None:
    for name in ("a.md", "b.md"):
        (folder.root / name).write_text(name)
    source = await folder.source()
    step = await folder.following.look(source, [str(folder.root / "a.md")])
    assert step.changed == 1
    assert list(await folder.names()) == ["a.md"]


async def test_a_folder_that_is_gone_loses_nothing(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea is hot.")
    source = await folder.source()
    await folder.following.look(source)
    await folder.read_all()
    shutil.move(folder.root, folder.bench.path / "away")
    with pytest.raises(SamovarError) as raised:
        await folder.following.look(source)
    assert raised.value.code == FailureCode.NOT_FOUND
    [now] = await folder.store.sources.ls()
    assert now.state == "missing"
    assert list(await folder.names()) == ["tea.md"]
    shutil.move(folder.bench.path / "away", folder.root)
    step = await folder.following.look(now)
    assert (step.changed, step.unchanged) == (0, 1)
    assert [row.state for row in await folder.store.sources.ls()] == ["present"]
    assert folder.reader.asked == ["tea.md"]


async def test_a_source_that_was_removed_meanwhile_brings_nothing_back(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea.")
    source = await folder.source()
    await folder.store.sources.delete(source.id)
    assert (await folder.following.look(source)).changed == 0
    assert await folder.names() == {}


async def test_what_was_excluded_meanwhile_is_not_brought_back(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea.")
    source = await folder.source()
    await folder.store.sources.change(source.id, excludes=["/tea.md"])
    assert (await folder.following.look(source)).changed == 0, "with the source as somebody read it before"


async def test_a_file_is_read_whatever_it_is_called(folder: Folder) -> None:
    path = folder.root / "notes.unheard-of"
    path.write_text("Tea.")
    source = await folder.source(kind="file", path=path)
    assert (await folder.following.look(source)).changed == 1


@posix
async def test_odd_names(folder: Folder) -> None:
    names = [
        "two\nlines.md",
        " leading.md",
        "#*?[x]!.md",
        "-rf.md",
        "é\N{COMBINING ACUTE ACCENT}.md",
        "a" * 200 + ".md",
    ]
    for name in names:
        (folder.root / name).write_text(f"What {name!r} says.")
    deep = folder.root / "a\nb" / "c d"
    deep.mkdir(parents=True)
    (deep / "e.md").write_text("Deep.")
    source = await folder.source()
    assert (await folder.following.look(source)).changed == len(names) + 1
    await folder.read_all()
    rows = await folder.names()
    assert set(rows) == {*names, "e.md"}
    assert all(row.state == "ready" for row in rows.values())
    assert (await folder.following.look(source)).unchanged == len(names) + 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
async def test_what_cannot_be_taken_is_said_and_the_rest_goes_on(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea.")
    Path(os.fsdecode(os.fsencode(folder.root) + b"/caf\xe9.md")).write_text("Coffee.")
    step = await folder.following.look(await folder.source())
    assert step.changed == 1
    assert list(step.problems) == [str(folder.root / "caf\N{REPLACEMENT CHARACTER}.md")]


async def test_two_looks_at_once_queue_nothing_twice(folder: Folder) -> None:
    for number in range(20):
        (folder.root / f"{number}.md").write_text(str(number))
    source = await folder.source()
    steps = await asyncio.gather(*(folder.following.look(source) for _ in range(4)))
    assert sum(step.changed for step in steps) == 20
    assert len(await folder.names()) == 20


async def test_a_watched_folder_is_followed(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea.")
    await folder.source()
    folder.follow()

    async def has(*names: str) -> bool:
        return set(await folder.names()) == set(names)

    await until_so(lambda: has("tea.md"))
    (folder.root / "coffee.md").write_text("Coffee.")
    await until_so(lambda: has("tea.md", "coffee.md"))
    (folder.root / "tea.md").unlink()
    await until_so(lambda: has("coffee.md"))


async def test_a_folder_of_two_collections_is_watched_for_both(folder: Folder) -> None:
    first = await folder.source(name="first")
    second = await folder.source(name="second")
    await folder.store.sources.change(first.id, excludes=["/tea.md"])
    folder.follow()
    (folder.root / "tea.md").write_text("Tea.")
    (folder.root / "coffee.md").write_text("Coffee.")

    async def both() -> bool:
        rows = await folder.store.documents.ls()
        found = sorted((row.collection, row.name) for row in rows)
        return found == sorted(
            [(first.collection, "coffee.md"), (second.collection, "coffee.md"), (second.collection, "tea.md")]
        )

    await until_so(both)


@pytest.mark.parametrize("how", ["unwatched", "paused"])
async def test_one_that_is_not_to_be_followed(folder: Folder, how: str) -> None:
    other = folder.bench.path / "other"
    other.mkdir()
    still = await folder.source()
    if how == "paused":
        await folder.store.sources.set_state(still.id, "paused")
    else:
        await folder.store.sources.change(still.id, watch=False)
    await folder.source(path=other)
    folder.follow()
    (folder.root / "tea.md").write_text("Tea.")
    (other / "coffee.md").write_text("Coffee.")

    async def heard() -> bool:
        return "coffee.md" in await folder.names()

    await until_so(heard)
    assert "tea.md" not in await folder.names()
    if how == "paused":
        await folder.store.sources.change(still.id, watch=True)
        await folder.following.rewatch()

        async def followed() -> bool:
            return "tea.md" in await folder.names()

        await until_so(followed)


async def test_a_watched_folder_that_vanishes_and_comes_back(folder: Folder) -> None:
    (folder.root / "tea.md").write_text("Tea.")
    await folder.source()
    folder.follow()

    async def state(wanted: str) -> bool:
        [source] = await folder.store.sources.ls()
        return source.state == wanted and "tea.md" in await folder.names()

    await until_so(lambda: state("present"))
    shutil.move(folder.root, folder.bench.path / "away")
    await until_so(lambda: state("missing"))
    shutil.move(folder.bench.path / "away", folder.root)
    await until_so(lambda: state("present"))
