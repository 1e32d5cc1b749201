import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from samovar_agent.documents.adding import Adding
from samovar_agent.documents.embedding import Embedding
from samovar_agent.documents.following import Following
from samovar_agent.documents.holdings import Holdings
from samovar_agent.documents.indexing import Cutter, Indexing
from samovar_agent.store.documents import DocumentRow, Stored
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.replies import DocsAddReply
from samovar_protocol.requests import DocsAdd
from samovar_protocol.values import Progress
from tests.samovar_agent.documents.bench import Bench, PlainReader, until

SMALL = "acme/small"


class Taking:
    """All that adding needs, with its loops. - progress, changed: what was said meanwhile."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.store = bench, bench.store
        self.root = bench.path / "notes"
        self.root.mkdir()
        self.reader = PlainReader()
        self.progress: list[Progress] = []
        self.changed: list[int] = []
        self.indexing = Indexing(bench.store, self.reader, self._cutter, told=self._stored)
        self.embedding = Embedding(bench.store, bench.models, bench.vectors, told=self.changed.append)
        self.holdings = Holdings(bench.store, bench.models, problems=self._problems, removed=self._removed)
        self.following = Following(bench.store, changed=self.changed.append, removed=self._removed)
        self.adding = Adding(
            bench.store,
            self.holdings,
            self.following,
            bench.models,
            self.indexing,
            self.embedding,
            changed=self.changed.append,
            embedded=bench.vectors.came,
        )
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.tasks = [asyncio.create_task(self.indexing.run()), asyncio.create_task(self.embedding.run())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def add(self, *paths: Path | str, **options: object) -> DocsAddReply:
        request = DocsAdd(paths=[str(path) for path in paths], **options)  # type: ignore[arg-type]
        return await asyncio.wait_for(self.adding.add(request, on_progress=self.progress.append), 30)

    async def refused(self, *paths: Path | str, **options: object) -> str:
        with pytest.raises(SamovarError) as raised:
            await self.add(*paths, **options)
        assert raised.value.hint
        return raised.value.code

    def _problems(self) -> dict[str, Failure]:
        left_out = {str(id_): problem for id_, problem in self.embedding.incomplete.items()}
        reading = {} if self.indexing.problem is None else {"": self.indexing.problem}
        return {**self.embedding.problems, **left_out, **reading}

    def _stored(self, document: DocumentRow, stored: Stored | None) -> None:
        self.embedding.wake()

    async def _cutter(self, collection: int) -> Cutter:
        return await self.bench.models.cutter((await self.store.collections.get(collection)).model)

    async def _removed(self, chunks: Sequence[int]) -> None:
        pass


@pytest.fixture
async def taking(documents_bench: Bench) -> AsyncIterator[Taking]:
    taking = Taking(documents_bench)
    taking.start()
    yield taking
    await taking.stop()


async def test_a_folder_is_there_and_searched_when_it_answers(taking: Taking) -> None:
    taking.bench.add_model(SMALL)
    for number in range(30):
        (taking.root / f"{number}.md").write_text(f"What number {number} says.")
    (taking.root / "photo.jpg").write_bytes(b"x")
    reply = await taking.add(taking.root, collection="notes")
    assert (reply.added, reply.unchanged, reply.skipped, reply.failed, reply.problems) == (30, 0, 1, [], {})
    info = reply.collection
    assert (info.name, info.documents, info.queued, info.chunks, info.embedded) == ("notes", 30, 0, 30, 30)
    assert not info.busy
    assert reply.documents == [], "nobody named them"
    again = await taking.add(taking.root, collection="notes")
    assert (again.added, again.unchanged, again.collection.documents) == (0, 30, 30)
    assert len(taking.reader.asked) == 30


@pytest.mark.parametrize("what", ["a folder", "a text", "waiting"])
async def test_a_collection_that_is_removed_meanwhile(
    taking: Taking, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (taking.root / "a.md").write_text("Tea.")
    store = taking.store
    part, name = {
        "a folder": (store.sources, "add"),
        "a text": (store.documents, "put_text"),
        "waiting": (taking.following, "rewatch"),
    }[what]
    original = getattr(part, name)

    async def removed_first(*args: object, **named: object) -> object:
        await store.collections.delete((await store.collections.find("notes")).id)
        return await original(*args, **named)

    monkeypatch.setattr(part, name, removed_first)
    with pytest.raises(SamovarError) as raised:
        if what == "a text":
            await taking.add(text="Tea is hot.", collection="notes")
        else:
            await taking.add(taking.root, collection="notes")
    assert raised.value.code == FailureCode.NOT_FOUND
    assert "'notes' was removed" in raised.value.failure.message


async def test_files_and_a_text_are_shown(taking: Taking) -> None:
    path = taking.root / "notes.odd-suffix"
    path.write_text("Tea is hot.")
    reply = await taking.add(path, text="\n  Rent is due on the first of each month.  \n\nAnd so on.")
    assert reply.added == 2
    assert sorted((row.name, row.path, row.state) for row in reply.documents) == [
        ("Rent is due on the first of each month.", None, "ready"),
        ("notes.odd-suffix", str(path), "ready"),
    ]
    assert reply.collection.name == "documents"


async def test_without_waiting_it_answers_before_anything_is_read(documents_bench: Bench) -> None:
    taking = Taking(documents_bench)  # whose loops do not run
    (taking.root / "a.md").write_text("Tea.")
    reply = await taking.add(taking.root, wait=False)
    assert (reply.added, reply.collection.queued) == (1, 1)
    assert reply.failed == []


async def test_progress_is_of_documents_and_then_of_passages(taking: Taking) -> None:
    taking.bench.add_model(SMALL)
    taking.bench.instances.gate = asyncio.Event()
    for number in range(10):
        (taking.root / f"{number}.md").write_text(f"What number {number} says.")
    adding = asyncio.create_task(taking.add(taking.root))
    await until(lambda: any(one.stage == "embedding" for one in taking.progress))
    assert not adding.done()
    last = taking.progress[-1]
    assert (last.done, last.total, last.unit) == (0, 10, "passages")
    taking.bench.instances.gate.set()
    assert (await adding).collection.embedded == 10
    assert all(one.unit == "documents" for one in taking.progress if one.stage == "reading")


async def test_what_failed_is_said_and_the_rest_is_there(taking: Taking) -> None:
    (taking.root / "a.md").write_text("Tea.")
    (taking.root / "crash.pdf").write_text("x")
    (taking.root / "empty.md").write_text("")
    reply = await taking.add(taking.root)
    assert {document.name: document.reason for document in reply.failed}["crash.pdf"] == "crashed"
    [crashed] = [document for document in reply.failed if document.name == "crash.pdf"]
    assert crashed.problem
    assert crashed.hint
    assert reply.collection.queued == 0
    assert await taking.store.chunks.words("tea") != []


async def test_a_missing_model_does_not_keep_anybody_from_reading(taking: Taking) -> None:
    await taking.store.collections.create("notes", model=SMALL)
    for number in range(100):
        (taking.root / f"{number}.md").write_text(f"What number {number} says.")
    first = await taking.add(text="A passage that lacks its vector.", collection="notes")
    assert first.collection.problem is not None
    reply = await taking.add(taking.root, collection="notes")
    assert reply.collection.queued == 0, "all is read, though nothing is embedded"
    assert reply.collection.embedded == 0
    assert SMALL in (reply.collection.problem or "")


async def test_a_passage_that_no_model_reads_does_not_make_anybody_wait(taking: Taking) -> None:
    taking.bench.add_model(SMALL)
    taking.bench.instances.refused = "§"
    reply = await taking.add(text="§ " * 50, name="odd")
    assert (reply.collection.chunks, reply.collection.embedded) == (1, 0)
    assert "1 passage" in (reply.collection.problem or "")
    taking.bench.instances.gate = asyncio.Event()
    adding = asyncio.create_task(taking.add(text="Tea is hot.", name="tea"))
    await until(lambda: taking.bench.instances.asked > 5)
    taking.bench.instances.gate.set()
    assert (await adding).collection.embedded == 1, "whoever adds something sound waits for it"


async def test_a_full_disk_is_the_answer(taking: Taking, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise SamovarError(FailureCode.DISK_FULL, "The disk is full.", hint="Free some room.")

    monkeypatch.setattr(taking.store.documents, "put_documents", full)
    (taking.root / "a.md").write_text("Tea.")
    reply = await taking.add(taking.root)
    assert (reply.collection.problem, reply.collection.hint) == ("The disk is full.", "Free some room.")
    assert reply.collection.queued == 1
    monkeypatch.undo()
    (taking.root / "b.md").write_text("Coffee.")
    reply = await taking.add(taking.root)
    assert (reply.collection.queued, reply.collection.problem) == (0, None), "there is room again"


async def test_a_model_that_is_there_again(taking: Taking) -> None:
    await taking.store.collections.create("notes", model=SMALL)
    assert (await taking.add(text="Tea.", collection="notes")).collection.problem
    taking.bench.add_model(SMALL)
    reply = await taking.add(text="Coffee.", collection="notes")
    assert (reply.collection.embedded, reply.collection.problem) == (2, None)


@pytest.mark.parametrize(
    ("paths", "options", "code"),
    [
        ([], {}, FailureCode.BAD_REQUEST),
        ([], {"text": " \n\t"}, FailureCode.BAD_REQUEST),
        ([], {"text": "x" * (12 * 1024 * 1024 + 1)}, FailureCode.TOO_LARGE),
        (["notes/relative.md"], {}, FailureCode.BAD_REQUEST),
        (["~/notes"], {}, FailureCode.BAD_REQUEST),
        (["/nul\0byte"], {}, FailureCode.BAD_REQUEST),
        (["/there/is/no such\nfile"], {}, FailureCode.NOT_FOUND),
        (["/" + "x" * 4000], {}, FailureCode.NOT_FOUND),
        (["/tmp"], {"excludes": ["!"]}, FailureCode.BAD_REQUEST),
        ([], {"text": "Tea.", "collection": "\x07"}, FailureCode.BAD_REQUEST),
    ],
)
async def test_nonsense_makes_nothing(taking: Taking, paths: list[str], options: dict[str, object], code: str) -> None:
    with pytest.raises(SamovarError) as raised:
        await taking.add(*paths, **options)
    assert raised.value.code == code
    assert await taking.store.collections.ls() == []
    assert await taking.store.sources.ls() == []


async def test_one_of_several_that_is_not_there(taking: Taking) -> None:
    (taking.root / "a.md").write_text("Tea.")
    assert await taking.refused(taking.root, "/nowhere", collection="notes") == FailureCode.NOT_FOUND
    assert await taking.store.sources.ls() == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
async def test_one_that_fails_takes_nothing_from_those_before_it(taking: Taking) -> None:
    (taking.root / "a.md").write_text("Tea.")
    broken = taking.bench.path / "broken"
    broken.symlink_to("nowhere")
    assert await taking.refused(taking.root, broken, collection="notes") == FailureCode.NOT_FOUND
    assert [source.path for source in await taking.store.sources.ls()] == [str(taking.root)]
    await until(lambda: taking.reader.asked == ["a.md"])


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
async def test_odd_paths(taking: Taking) -> None:
    odd = taking.root / "two\nlines \N{SNOWMAN} [x]*?.md"
    odd.write_text("Tea is hot.")
    reply = await taking.add(f"{taking.root}/../notes//{odd.name}")
    [document] = reply.documents
    assert (document.path, document.name, document.state) == (str(odd), odd.name, "ready")
    folder = taking.root / "a folder\nwith a break"
    folder.mkdir()
    (folder / "b.md").write_text("Coffee.")
    assert (await taking.add(f"{folder}/")).added == 1


async def test_the_same_path_twice_in_one_request(taking: Taking) -> None:
    path = taking.root / "a.md"
    path.write_text("Tea.")
    reply = await taking.add(path, str(path), f"{path}/../a.md")
    assert reply.added == 1
    assert reply.collection.documents == 1


async def test_two_clients_at_once_make_one_of_each(taking: Taking) -> None:
    for number in range(20):
        (taking.root / f"{number}.md").write_text(f"What number {number} says.")
    replies = await asyncio.gather(*(taking.add(taking.root, collection="notes") for _ in range(4)))
    assert len({reply.collection.id for reply in replies}) == 1
    assert sum(reply.added for reply in replies) == 20
    assert len(await taking.store.sources.ls()) == 1
    assert len(await taking.store.documents.ls()) == 20
    assert len(taking.reader.asked) == 20


async def test_the_same_text_twice(taking: Taking) -> None:
    """Two documents, as somebody pasted it twice; read and embedded once."""
    taking.bench.add_model(SMALL)
    for _ in range(2):
        reply = await taking.add(text="Tea is hot.", name="tea")
    assert (reply.collection.documents, reply.collection.chunks) == (2, 1)
    assert len(taking.bench.instances.embedded) == 1
    other = await taking.add(text="Tea is hot.", name="another name")
    assert other.collection.chunks == 2, "its name is a part of what is searched"


async def test_white_space_in_the_name_of_a_collection(taking: Taking) -> None:
    first = await taking.add(text="Tea.", collection="my notes")
    second = await taking.add(text="Coffee.", collection=" my\n notes ")
    assert first.collection.id == second.collection.id


async def test_other_options_of_a_source_that_is_known(taking: Taking) -> None:
    for name in ("a.md", "b.md"):
        (taking.root / name).write_text(f"What {name} says.")
    await taking.add(taking.root)
    reply = await taking.add(taking.root, excludes=["b.md"], watch=False)
    assert reply.collection.documents == 1
    [source] = await taking.store.sources.ls()
    assert (source.excludes, source.watch) == (["b.md"], False)


async def test_a_collection_that_is_removed_while_somebody_waits(taking: Taking) -> None:
    taking.bench.add_model(SMALL)
    taking.bench.instances.gate = asyncio.Event()
    (taking.root / "a.md").write_text("Tea.")
    adding = asyncio.create_task(taking.add(taking.root, collection="notes"))
    await until(lambda: bool(taking.progress))
    await taking.holdings.delete("notes")
    with pytest.raises(SamovarError) as raised:
        await adding
    assert raised.value.code == FailureCode.NOT_FOUND
    taking.bench.instances.gate.set()
    assert (await taking.add(text="Coffee.", collection="other")).collection.embedded == 1


async def test_leaving_early_leaves_the_work_to_the_agent(taking: Taking) -> None:
    taking.bench.add_model(SMALL)
    taking.bench.instances.gate = asyncio.Event()
    (taking.root / "a.md").write_text("Tea.")
    adding = asyncio.create_task(taking.add(taking.root, collection="notes"))
    await until(lambda: bool(taking.progress))
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    taking.bench.instances.gate.set()
    await until(lambda: bool(taking.bench.instances.embedded))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("One line.", "One line."),
        ("\n\n  Second\tline.\nThird.", "Second line."),
        ("word " * 100, "word " * 11 + "word…"),
        ("x\x07y", "x y"),
    ],
)
async def test_the_name_of_a_text_is_its_beginning(taking: Taking, text: str, name: str) -> None:
    [document] = (await taking.add(text=text)).documents
    assert document.name == name
    assert len(document.name) <= 61
