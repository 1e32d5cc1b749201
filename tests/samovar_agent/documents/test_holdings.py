import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from samovar_agent.documents.extracted import Problem
from samovar_agent.documents.folders_excludes import MAX_PATTERNS, Excludes
from samovar_agent.documents.holdings import Holdings
from samovar_agent.store.documents import NewDocument
from samovar_agent.store.sources import SourceRow
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.documents import CollectionInfo
from samovar_protocol.requests import DocsChange, DocsCreate, DocsLs, DocsRetry, DocsRm, DocsText
from tests.samovar_agent.documents.bench import Bench

SMALL, OTHER = "acme/small", "acme/other"


class Held:
    """Holdings over a bench. - gone: chunks that it said are gone."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.store = bench, bench.store
        self.problems: dict[str, Failure] = {}
        self.gone: list[int] = []
        self.holdings = Holdings(bench.store, bench.models, problems=lambda: self.problems, removed=self._removed)

    async def _removed(self, chunks: Sequence[int]) -> None:
        self.gone += chunks

    async def queue(self, source: SourceRow, path: str) -> int:
        new = NewDocument(
            collection=source.collection, source=source.id, path=path, name=Path(path).name, size=1, mtime=1.0
        )
        [id_] = await self.store.documents.add([new])
        return id_

    async def names(self) -> list[str]:
        return sorted(row.name for row in await self.store.documents.ls())


@pytest.fixture
def held(documents_bench: Bench) -> Held:
    return Held(documents_bench)


async def code_of(call: Any) -> str:
    with pytest.raises(SamovarError) as raised:
        await call
    assert raised.value.failure.message
    return raised.value.code


class TestCollections:
    async def test_a_new_one_has_the_model_that_is_there(self, held: Held) -> None:
        assert (await held.holdings.create(DocsCreate(name="first"))).model is None
        held.bench.add_model(SMALL)
        assert (await held.holdings.create(DocsCreate(name="second"))).model == SMALL
        assert (await held.holdings.create(DocsCreate(name="third", words_only=True))).model is None
        assert [info.name for info in await held.holdings.collections()] == ["first", "second", "third"]
        [only] = await held.holdings.collections("second")
        assert only.name == "second"

    async def test_what_is_refused(self, held: Held) -> None:
        held.bench.add_model("acme/chat", capabilities=["chat"])
        await held.holdings.create(DocsCreate(name="notes"))
        for request, code in [
            (DocsCreate(name="notes"), FailureCode.BAD_REQUEST),
            (DocsCreate(name=" notes "), FailureCode.BAD_REQUEST),
            (DocsCreate(name="   "), FailureCode.BAD_REQUEST),
            (DocsCreate(name="a\x07b"), FailureCode.BAD_REQUEST),
            (DocsCreate(name="x", model="acme/nothing"), FailureCode.MODEL_UNKNOWN),
            (DocsCreate(name="x", model="acme/chat"), FailureCode.MODEL_UNSUPPORTED),
            (DocsCreate(name="x", model="acme/chat", words_only=True), FailureCode.BAD_REQUEST),
        ]:
            assert await code_of(held.holdings.create(request)) == code, request
        assert [info.name for info in await held.holdings.collections()] == ["notes"]

    async def test_white_space_in_a_name_is_one_space(self, held: Held) -> None:
        assert (await held.holdings.create(DocsCreate(name=" my\n notes "))).name == "my notes"

    async def test_the_old_model_serves_until_the_new_one_has_all(self, held: Held) -> None:
        held.bench.add_model(SMALL)
        held.bench.add_model(OTHER)
        await held.holdings.create(DocsCreate(name="notes", model=SMALL))
        info = await held.holdings.change(DocsChange(collection="notes", model="other"))
        assert (info.model, info.next_model) == (SMALL, OTHER)
        info = await held.holdings.change(DocsChange(collection="notes", model=SMALL))
        assert (info.model, info.next_model) == (SMALL, None), "back again"
        info = await held.holdings.change(DocsChange(collection="notes", rename="papers", words_only=True))
        assert (info.name, info.model) == ("papers", None)
        info = await held.holdings.change(DocsChange(collection="papers", model=OTHER))
        assert (info.model, info.next_model) == (OTHER, None)

    async def test_a_name_that_is_taken(self, held: Held) -> None:
        for name in ("a", "b"):
            await held.holdings.create(DocsCreate(name=name))
        assert await code_of(held.holdings.change(DocsChange(collection="a", rename="b"))) == FailureCode.BAD_REQUEST
        assert (await held.holdings.change(DocsChange(collection="a", rename="a"))).name == "a"
        assert await code_of(held.holdings.change(DocsChange(collection="c"))) == FailureCode.NOT_FOUND

    async def test_counts_and_why_nothing_goes_on(self, held: Held) -> None:
        held.bench.add_model(SMALL)
        row = await held.store.collections.create("notes", model=SMALL)
        await held.bench.document(row.id, "a.md", ["One.", "Two."])

        async def info() -> CollectionInfo:
            return await held.holdings.describe(row.id)

        now = await info()
        assert (now.documents, now.queued, now.chunks, now.embedded, now.problem) == (1, 0, 2, 0, None)
        assert now.busy
        held.problems[SMALL] = Failure(code="x", message="It crashed.", hint="Wait.")
        assert ((await info()).problem, (await info()).hint) == ("It crashed.", "Wait.")
        held.problems[""] = Failure(code="x", message="The disk is full.")
        assert (await info()).problem == "It crashed.", "nothing waits to be read"
        await held.bench.embed_all(SMALL)
        now = await info()
        assert (now.embedded, now.problem, now.busy) == (2, None, False)
        [source] = await held.store.sources.ls(row.id)
        await held.queue(source, f"{source.path}/b.md")
        now = await info()
        assert (now.queued, now.problem, now.busy) == (1, "The disk is full.", True)

    async def test_delete(self, held: Held) -> None:
        row = await held.store.collections.create("notes")
        await held.bench.document(row.id, "a.md", ["One."])
        info, removed = await held.holdings.delete("notes")
        assert (info.id, removed) == (row.id, 1)
        assert await held.store.documents.ls() == []
        assert await code_of(held.holdings.delete("notes")) == FailureCode.NOT_FOUND


class TestRemoval:
    async def fill(self, held: Held, *names: str) -> SourceRow:
        row = await held.store.collections.create("notes")
        for name in names:
            await held.bench.document(row.id, name, [f"What {name} says."])
        [source] = await held.store.sources.ls(row.id)
        return source

    async def excludes(self, held: Held) -> list[str]:
        [source] = await held.store.sources.ls()
        return source.excludes

    async def test_a_file_of_a_folder_is_left_out_from_then_on(self, held: Held) -> None:
        source = await self.fill(held, "a.md", "b.md")
        row, removed = await held.holdings.rm(DocsRm(collection="notes", paths=[f"{source.path}/a.md"]))
        assert (row.name, removed) == ("notes", 1)
        assert await held.names() == ["b.md"]
        assert len(held.gone) == 1
        assert await self.excludes(held) == ["/a.md"]

    async def test_a_folder_of_a_folder(self, held: Held) -> None:
        source = await self.fill(held, "a.md", "sub/b.md", "sub/deep/c.md", "sub2/d.md")
        _, removed = await held.holdings.rm(DocsRm(collection="notes", paths=[f"{source.path}/sub/"]))
        assert removed == 2
        left = [row.path for row in await held.store.documents.ls()]
        assert left == [f"{source.path}/a.md", f"{source.path}/sub2/d.md"]
        assert await self.excludes(held) == ["/sub/"]

    async def test_a_source_is_forgotten(self, held: Held) -> None:
        source = await self.fill(held, "a.md", "b.md")
        assert source.path is not None
        assert (await held.holdings.rm(DocsRm(collection="notes", paths=[source.path])))[1] == 2
        assert await held.store.sources.ls() == []

    async def test_an_empty_source(self, held: Held) -> None:
        row = await held.store.collections.create("notes")
        await held.store.sources.add(row.id, "folder", "/empty")
        assert (await held.holdings.rm(DocsRm(collection="notes", paths=["/empty"])))[1] == 0
        assert await held.store.sources.ls() == []

    async def test_by_ids(self, held: Held) -> None:
        source = await self.fill(held, "a.md", "b.md")
        ids = [row.id for row in await held.store.documents.ls()]
        assert (await held.holdings.rm(DocsRm(collection="notes", documents=ids)))[1] == 2
        assert await self.excludes(held) == ["/a.md", "/b.md"], "each, and not only the last"
        assert await held.store.sources.find(source.collection, source.path or "") is not None

    async def test_what_is_not_there(self, held: Held) -> None:
        source = await self.fill(held, "a.md")
        other = await held.store.collections.create("other")
        elsewhere = await held.bench.document(other.id, "b.md", ["Elsewhere."])
        for request, code in [
            (DocsRm(collection="notes"), FailureCode.BAD_REQUEST),
            (DocsRm(collection="nothing", paths=["/x"]), FailureCode.NOT_FOUND),
            (DocsRm(collection="notes", paths=[f"{source.path}/none.md"]), FailureCode.NOT_FOUND),
            (DocsRm(collection="notes", paths=["/elsewhere"]), FailureCode.NOT_FOUND),
            (DocsRm(collection="notes", documents=[999]), FailureCode.NOT_FOUND),
            (DocsRm(collection="notes", documents=[elsewhere.id]), FailureCode.NOT_FOUND),
        ]:
            assert await code_of(held.holdings.rm(request)) == code, request
        assert await held.names() == ["a.md", "b.md"]

    @pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
    @pytest.mark.parametrize("name", ["two\nlines.md", "#a.md", "!a.md", "a*?[b]\\.md", " a .md "])
    async def test_odd_names_are_left_out_by_exactly_that_name(self, held: Held, name: str) -> None:
        source = await self.fill(held, name)
        await held.holdings.rm(DocsRm(collection="notes", paths=[f"{source.path}/{name}"]))
        excludes = Excludes(await self.excludes(held), defaults=())
        assert excludes.file(name)
        assert not excludes.file("a.md")
        assert not excludes.file("other.md")

    async def test_more_than_can_be_left_out_one_by_one(self, held: Held) -> None:
        """The folder must not become one that cannot be looked at any more."""
        source = await self.fill(held, "a.md", "b.md")
        await held.store.sources.change(source.id, excludes=[f"/{number}" for number in range(MAX_PATTERNS - 1)])
        assert (await held.holdings.rm(DocsRm(collection="notes", paths=[f"{source.path}/a.md"])))[1] == 1
        rm = held.holdings.rm(DocsRm(collection="notes", paths=[f"{source.path}/b.md"]))
        assert await code_of(rm) == FailureCode.BAD_REQUEST
        assert await held.names() == ["b.md"]
        Excludes(await self.excludes(held))


class TestReading:
    async def test_in_portions(self, held: Held) -> None:
        row = await held.store.collections.create("notes")
        for number in range(5):
            await held.bench.document(row.id, f"{number}.md", [f"Number {number}."])
        first = await held.holdings.ls(DocsLs(collection="notes", limit=3))
        assert ([document.name for document in first.documents], first.more) == (["0.md", "1.md", "2.md"], True)
        rest = await held.holdings.ls(DocsLs(collection="notes", limit=3, after=first.documents[-1].id))
        assert ([document.name for document in rest.documents], rest.more) == (["3.md", "4.md"], False)
        [source] = rest.sources
        assert (source.documents, source.collection, source.kind) == (5, "notes", "folder")
        assert await code_of(held.holdings.ls(DocsLs(collection="nothing"))) == FailureCode.NOT_FOUND

    async def test_why_a_document_failed_and_once_more(self, held: Held) -> None:
        row = await held.store.collections.create("notes")
        source = await held.store.sources.add(row.id, "folder", "/notes")
        id_ = await held.queue(source, "/notes/a.pdf")
        [taken] = await held.store.documents.take(1)
        problem = Problem(reason="encrypted", message="It has a password.", hint="Remove it.")
        await held.store.documents.fail(taken, msgspec.json.encode(problem).decode())
        reply = await held.holdings.ls(DocsLs(state="failed"))
        [info] = reply.documents
        assert (info.state, info.problem, info.hint, info.reason) == (
            "failed",
            "It has a password.",
            "Remove it.",
            "encrypted",
        )
        with pytest.raises(SamovarError, match="password") as raised:
            await held.holdings.text(DocsText(document=id_))
        assert raised.value.code == FailureCode.NOT_FOUND
        assert await held.holdings.retry(DocsRetry(collection="notes")) == 1
        assert await held.holdings.retry(DocsRetry(collection="notes")) == 0
        assert (await held.holdings.ls(DocsLs(state="failed"))).documents == []
        with pytest.raises(SamovarError, match="waits to be read"):
            await held.holdings.text(DocsText(document=id_))
        assert await code_of(held.holdings.retry(DocsRetry(collection="nothing"))) == FailureCode.NOT_FOUND

    async def test_a_part_of_the_text(self, held: Held) -> None:
        row = await held.store.collections.create("notes")
        document = await held.bench.document(row.id, "a.md", ["The kettle sings."])

        async def part(start: int, end: int | None) -> tuple[str, int, int, int]:
            reply = await held.holdings.text(DocsText(document=document.id, start=start, end=end))
            return reply.text, reply.start, reply.end, reply.length

        assert await part(0, None) == ("The kettle sings.", 0, 17, 17)
        assert await part(4, 10) == ("kettle", 4, 10, 17)
        assert await part(11, 999) == ("sings.", 11, 17, 17)
        assert await part(500, 600) == ("", 17, 17, 17)
        assert await part(10, 4) == ("", 4, 4, 17)
        assert await code_of(held.holdings.text(DocsText(document=999))) == FailureCode.NOT_FOUND

    async def test_the_source_at_a_path(self, held: Held) -> None:
        row = await held.store.collections.create("notes")
        source = await held.store.sources.add(row.id, "folder", "/notes")
        assert (await held.holdings.source("notes", "/x/../notes/"))[1].id == source.id
        assert await code_of(held.holdings.source("notes", "/other")) == FailureCode.NOT_FOUND
        info = await held.holdings.source_info(row, source.id)
        assert (info.path, info.documents) == ("/notes", 0)
        assert await code_of(held.holdings.source_info(row, 999)) == FailureCode.NOT_FOUND
