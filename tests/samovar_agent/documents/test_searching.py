import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from samovar_agent.documents import searching as searching_module
from samovar_agent.documents.searching import Searching
from samovar_agent.store.vectors import Awaited
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import DocumentFilter
from samovar_protocol.replies import DocsSearchReply
from samovar_protocol.requests import DocsSearch
from samovar_protocol.values import InstanceInfo, Progress
from tests.samovar_agent.documents.bench import Bench, crashed

if TYPE_CHECKING:
    from samovar_agent.engine.instances import Instances
    from samovar_agent.models.library import Library

SMALL, OTHER, RANKER = "acme/small", "acme/other", "acme/ranker"


def searching(bench: Bench) -> Searching:
    return Searching(
        bench.store,
        cast("Library", bench.library),
        cast("Instances", bench.instances),
        bench.models,
        bench.vectors,
    )


async def found(bench: Bench, request: DocsSearch) -> DocsSearchReply:
    items = [item async for item in searching(bench).search(request, client="test")]
    assert all(isinstance(item, Progress) for item in items[:-1])
    reply = items[-1]
    assert isinstance(reply, DocsSearchReply)
    return reply


async def notes(bench: Bench, *, model: str | None = SMALL, name: str = "notes") -> int:
    """A collection with a text about a kettle and one about rent."""
    row = await bench.store.collections.create(name, model=model)
    await bench.document(row.id, f"{name}-tea.md", [f"The kettle of the {name} sings."], heading="Kitchen › Tea")
    await bench.document(row.id, f"{name}-flat.md", [f"The rent of the {name} is due on the first."])
    return row.id


async def test_by_words_and_by_what_is_meant(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    await documents_bench.embed_all(SMALL)
    reply = await found(documents_bench, DocsSearch(query="samovar"))  # no text says so; the model knows it is a kettle
    assert reply.method == "words and vectors"
    assert reply.note == ""
    assert reply.embed_seconds <= reply.seconds
    best = reply.passages[0]
    assert (best.name, best.collection, best.headings) == ("notes-tea.md", "notes", ["Kitchen", "Tea"])
    assert best.text == "The kettle of the notes sings."
    assert (best.start, best.end) == (0, len(best.text))


async def test_without_any_model_words_are_searched_and_it_says_so(documents_bench: Bench) -> None:
    await notes(documents_bench, model=None)
    reply = await found(documents_bench, DocsSearch(query="kettle"))
    assert [passage.name for passage in reply.passages] == ["notes-tea.md"]
    assert reply.method == "words"
    assert "no embedding model" in reply.note
    assert "samovar get" in reply.note
    assert (await found(documents_bench, DocsSearch(query="samovar"))).passages == []


async def test_a_model_that_is_gone_is_named(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    await documents_bench.embed_all(SMALL)
    documents_bench.library.models.clear()
    documents_bench.instances.failures = [SamovarError(FailureCode.MODEL_UNKNOWN, "No model is called that.")]
    reply = await found(documents_bench, DocsSearch(query="kettle"))
    assert reply.method == "words"
    assert [passage.name for passage in reply.passages] == ["notes-tea.md"]
    assert SMALL in reply.note


async def test_vectors_that_are_still_computed(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    reply = await found(documents_bench, DocsSearch(query="kettle"))
    assert reply.method == "words"
    assert "still being computed" in reply.note
    assert len(reply.passages) == 1


async def test_vectors_of_this_collection_that_are_still_computed(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    await documents_bench.embed_all(SMALL)
    await notes(documents_bench, name="papers")
    request = DocsSearch(query="kettle", collections=["papers"])
    for going_on, said in ((True, True), (False, False)):
        documents_bench.store.vectors.awaited = Awaited(going_on=going_on)
        reply = await found(documents_bench, request)
        assert reply.method == "words"
        assert ("still being computed" in reply.note) is said
    await documents_bench.embed_all(SMALL)
    documents_bench.store.vectors.awaited = Awaited(going_on=True)
    reply = await found(documents_bench, request)
    assert (reply.method, reply.note) == ("words and vectors", "")


async def test_a_worker_that_dies_leaves_the_words(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    await documents_bench.embed_all(SMALL)
    documents_bench.instances.failures = [crashed()]
    reply = await found(documents_bench, DocsSearch(query="kettle"))
    assert reply.method == "words"
    assert "SIGKILL" in reply.note
    assert len(reply.passages) == 1


@pytest.mark.parametrize("code", [FailureCode.SHUTTING_DOWN, FailureCode.CANCELLED])
async def test_an_agent_that_stops_answers_nothing_half(documents_bench: Bench, code: FailureCode) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    documents_bench.instances.failures = [SamovarError(code, "It stops.")]
    with pytest.raises(SamovarError) as raised:
        await found(documents_bench, DocsSearch(query="kettle"))
    assert raised.value.code == code


async def test_words_only_where_that_is_asked_for_or_set(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    id_ = await notes(documents_bench)
    await documents_bench.embed_all(SMALL)
    reply = await found(documents_bench, DocsSearch(query="kettle", words_only=True))
    assert (reply.method, reply.note) == ("words", "")
    await documents_bench.store.collections.set_models(id_, model=None, words_only=True)
    reply = await found(documents_bench, DocsSearch(query="kettle"))
    assert reply.method == "words"
    assert "set to" in reply.note
    assert documents_bench.instances.asked == 0


async def test_collections_of_different_models_are_searched_as_one(documents_bench: Bench) -> None:
    for key in (SMALL, OTHER):
        documents_bench.add_model(key)
    await notes(documents_bench, name="first")
    await notes(documents_bench, model=OTHER, name="second")
    await notes(documents_bench, model=None, name="third")
    await documents_bench.embed_all(SMALL)
    await documents_bench.embed_all(OTHER)
    reply = await found(documents_bench, DocsSearch(query="kettle"))
    assert {passage.name for passage in reply.passages} >= {"first-tea.md", "second-tea.md", "third-tea.md"}
    assert {model for model, _ in documents_bench.instances.embedded} == {SMALL, OTHER}


async def test_only_in_the_collections_that_were_named(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench, name="first")
    await notes(documents_bench, name="second")
    await documents_bench.embed_all(SMALL)
    reply = await found(documents_bench, DocsSearch(query="kettle", collections=["second", "second"]))
    assert {passage.collection for passage in reply.passages} == {"second"}
    with pytest.raises(SamovarError) as raised:
        await found(documents_bench, DocsSearch(query="kettle", collections=["third"]))
    assert raised.value.code == FailureCode.NOT_FOUND


async def test_filters(documents_bench: Bench) -> None:
    bench = documents_bench
    bench.add_model(SMALL)
    row = await bench.store.collections.create("notes", model=SMALL)
    text = await bench.document(row.id, "a.txt", ["The kettle sings a song."])
    table = await bench.document(row.id, "b.csv", ["kettle,3"], media_type="text/csv")
    await bench.embed_all(SMALL)

    async def names(**values: object) -> set[str]:
        reply = await found(bench, DocsSearch(query="kettle", filter=DocumentFilter(**values)))  # type: ignore[arg-type]
        return {passage.name for passage in reply.passages}

    assert await names() == {"a.txt", "b.csv"}
    assert await names(media_types=("text/csv",)) == {"b.csv"}
    assert await names(documents=(text.id,)) == {"a.txt"}
    assert table.path is not None
    assert await names(path_prefix=table.path) == {"b.csv"}
    assert await names(path_prefix=os.path.dirname(table.path)) == {"a.txt", "b.csv"}
    assert await names(path_prefix="/elsewhere") == set()
    assert await names(since=2.0) == set()
    assert await names(until=2.0) == {"a.txt", "b.csv"}


async def test_nothing_there_is_no_failure(documents_bench: Bench) -> None:
    reply = await found(documents_bench, DocsSearch(query="kettle"))
    assert (reply.passages, reply.method) == ([], "words")
    assert "There are no documents yet" in reply.note
    await documents_bench.store.collections.create("empty")
    assert (await found(documents_bench, DocsSearch(query="kettle", collections=["empty"]))).passages == []


@pytest.mark.parametrize("query", ['"', "*", "AND OR NOT NEAR(", "a\0b", "\ud800", "(" * 1000, "kettle " * 20_000])
async def test_odd_queries(documents_bench: Bench, query: str) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    await documents_bench.embed_all(SMALL)
    await found(documents_bench, DocsSearch(query=query))
    assert all(len(text) <= 4000 for _, [text] in documents_bench.instances.embedded)


async def test_copies_are_shown_once_and_the_limit_holds(documents_bench: Bench) -> None:
    row = await documents_bench.store.collections.create("notes")
    for number in range(3):
        await documents_bench.document(row.id, f"copy{number}.md", ["The same kettle sings the same old song."])
    for number in range(5):
        await documents_bench.document(row.id, f"{number}.md", [f"A kettle that has number {number} among {number}s."])
    reply = await found(documents_bench, DocsSearch(query="kettle", limit=4))
    assert len(reply.passages) == 4
    assert sum(passage.name.startswith("copy") for passage in reply.passages) <= 1


async def test_a_reranker_in_memory_orders_what_was_found(documents_bench: Bench) -> None:
    bench = documents_bench
    bench.add_model(RANKER, capabilities=["rerank"])
    await notes(bench, model=None)
    await notes(bench, model=None, name="other")
    bench.instances.rank = lambda text: 5.0 if "other" in text else -5.0
    plain = await found(bench, DocsSearch(query="kettle"))
    assert plain.reranked is None, "it is not loaded for that"
    bench.instances.loaded = [InstanceInfo(identifier=RANKER, model=RANKER, state="ready")]
    reply = await found(bench, DocsSearch(query="kettle"))
    assert reply.reranked == RANKER
    assert [passage.name for passage in reply.passages] == ["other-tea.md", "notes-tea.md"]
    assert (await found(bench, DocsSearch(query="kettle", rerank=False))).reranked is None


async def test_what_a_reranker_does_not_read_comes_behind(
    documents_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = documents_bench
    monkeypatch.setattr(searching_module, "_RERANKED", 2)
    bench.add_model(RANKER, capabilities=["rerank"])
    row = await bench.store.collections.create("notes")
    for number in range(5):
        await bench.document(row.id, f"{number}.md", [f"A kettle that has number {number} among {number}s."])
    bench.instances.rank = lambda text: -9.0
    bench.instances.loaded = [InstanceInfo(identifier=RANKER, model=RANKER, state="ready")]
    reply = await found(bench, DocsSearch(query="kettle"))
    plain = await found(bench, DocsSearch(query="kettle", rerank=False))
    assert reply.reranked == RANKER
    assert [passage.name for passage in reply.passages] == [passage.name for passage in plain.passages]


async def test_a_reranker_that_fails(documents_bench: Bench) -> None:
    bench = documents_bench
    bench.add_model(RANKER, capabilities=["rerank"])
    await notes(bench, model=None)
    bench.instances.loaded = [InstanceInfo(identifier=RANKER, model=RANKER, state="ready")]
    reply = await found(bench, DocsSearch(query="kettle"))
    assert "Not reranked" in reply.note
    assert len(reply.passages) == 1
    with pytest.raises(SamovarError):  # it was asked for
        await found(bench, DocsSearch(query="kettle", rerank=True))


async def test_a_document_that_goes_while_it_is_searched(
    documents_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = documents_bench
    bench.add_model(SMALL)
    await notes(bench)
    await bench.embed_all(SMALL)
    nearest = bench.vectors.nearest

    async def then_gone(*arguments: object, **options: object) -> list[tuple[int, float]]:
        result = await nearest(*arguments, **options)  # type: ignore[arg-type]
        [row, *_] = [row for row in await bench.store.documents.ls() if row.name == "notes-tea.md"]
        await bench.store.documents.delete([row.id])
        return result

    monkeypatch.setattr(bench.vectors, "nearest", then_gone)
    reply = await found(bench, DocsSearch(query="kettle rent"))
    assert [passage.name for passage in reply.passages] == ["notes-flat.md"]


async def test_the_index_on_disk_is_only_a_copy(documents_bench: Bench, tmp_path: Path) -> None:
    bench = documents_bench
    bench.add_model(SMALL)
    await notes(bench)
    await bench.embed_all(SMALL)
    await bench.vectors.save()
    assert list((tmp_path / "vectors").iterdir())
    before = await found(bench, DocsSearch(query="samovar"))
    for file in (tmp_path / "vectors").iterdir():
        file.write_bytes(b"something else")
    again = Bench(tmp_path, bench.store)  # as after a start
    again.add_model(SMALL)
    assert (await found(again, DocsSearch(query="samovar"))).passages == before.passages


async def test_a_model_that_takes_over_while_it_is_searched(
    documents_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vectors of the one before are gone at once; nobody must find less for that."""
    bench = documents_bench
    for key in (SMALL, OTHER):
        bench.add_model(key)
    id_ = await notes(bench)
    await bench.embed_all(SMALL)
    await bench.embed_all(OTHER)
    nearest = bench.vectors.nearest

    async def taken_over(model: str, *arguments: object, **options: object) -> list[tuple[int, float]]:
        if model == SMALL:
            await bench.store.collections.set_models(id_, model=OTHER)
            while await bench.store.vectors.drop(SMALL):
                pass
        return await nearest(model, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.vectors, "nearest", taken_over)
    reply = await found(bench, DocsSearch(query="samovar"))
    assert (reply.method, reply.note) == ("words and vectors", "")
    assert reply.passages[0].name == "notes-tea.md"


async def test_a_model_that_was_replaced_is_told_and_words_serve(documents_bench: Bench) -> None:
    documents_bench.add_model(SMALL)
    await notes(documents_bench)
    await documents_bench.embed_all(SMALL)
    documents_bench.instances.dimensions = 32
    told: list[bool] = []
    looking = Searching(
        documents_bench.store,
        cast("Library", documents_bench.library),
        cast("Instances", documents_bench.instances),
        documents_bench.models,
        documents_bench.vectors,
        replaced=lambda: told.append(True),
    )
    *_, reply = [item async for item in looking.search(DocsSearch(query="kettle"), client="test")]
    assert isinstance(reply, DocsSearchReply)
    assert (reply.method, [passage.name for passage in reply.passages]) == ("words", ["notes-tea.md"])
    assert f"{SMALL} is another model than before" in reply.note
    assert told == [True]
