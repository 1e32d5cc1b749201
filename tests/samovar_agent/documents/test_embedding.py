import asyncio
from collections.abc import AsyncIterator

import pytest

from samovar_agent.documents.embedding import Embedding
from samovar_agent.store.vectors import Awaited
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.documents.bench import Bench, crashed, until, until_so, vector_of

SMALL, OTHER = "acme/small", "acme/other"


class Running:
    """The loop over a bench; `bench.told` is what it says."""

    def __init__(self, bench: Bench, retry_seconds: float = 0.05) -> None:
        self.bench = bench
        self.embedding = Embedding(
            bench.store, bench.models, bench.vectors, told=bench.told.append, retry_seconds=retry_seconds
        )
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.embedding.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def complete(self, collection: int, model: str = SMALL) -> None:
        async def done() -> bool:
            return not await self.bench.without_vectors(model, collection)

        await until_so(done)


@pytest.fixture
async def running(documents_bench: Bench) -> AsyncIterator[Running]:
    running = Running(documents_bench)
    yield running
    await running.stop()


async def collection_of(bench: Bench, count: int, *, model: str = SMALL, name: str = "notes") -> int:
    row = await bench.store.collections.create(name, model=model)
    await bench.document(row.id, f"{name}.md", [f"{name} passage number{number}" for number in range(count)])
    return row.id


async def test_every_chunk_gets_a_vector_with_its_title_and_headings(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    row = await bench.store.collections.create("notes", model=SMALL)
    await bench.document(row.id, "tea.md", ["The kettle sings."], heading="Kitchen › Tea")
    running.start()
    await running.complete(row.id)
    [(model, [text])] = bench.instances.embedded
    assert model == SMALL
    assert "tea.md" in text
    assert "Kitchen" in text
    assert "Tea" in text
    assert text.endswith("The kettle sings.")
    await until(lambda: row.id in bench.told)


async def test_many_go_in_several_requests_each_once(running: Running) -> None:
    running.bench.add_model(SMALL)
    id_ = await collection_of(running.bench, 300)
    running.start()
    await running.complete(id_)
    sent = [text for _, texts in running.bench.instances.embedded for text in texts]
    assert len(sent) == len(set(sent)) == 300
    assert len(running.bench.instances.embedded) > 1


async def test_who_waits_for_vectors_is_told_whether_any_come(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    bench.instances.gate = asyncio.Event()
    await collection_of(bench, 2)
    await collection_of(bench, 2, model=OTHER, name="papers")  # a model that is not there

    def awaited() -> Awaited:
        return bench.store.vectors.awaited

    assert not awaited().going_on
    running.embedding.wake()
    assert awaited() == Awaited(going_on=True)
    running.start()
    await until(lambda: bench.instances.asked > 0)
    assert awaited().going_on
    bench.instances.gate.set()
    await until(lambda: awaited() == Awaited(going_on=False, without=frozenset({OTHER})))
    running.embedding.wake()
    assert awaited() == Awaited(going_on=True, without=frozenset({OTHER}))
    await running.stop()
    assert not awaited().going_on


async def test_what_comes_later_is_noticed_when_it_is_woken(running: Running) -> None:
    running.bench.add_model(SMALL)
    id_ = await collection_of(running.bench, 2)
    running.start()
    await running.complete(id_)
    await running.bench.document(id_, "late.md", ["It came late."])
    running.embedding.wake()
    await running.complete(id_)


async def test_a_worker_that_dies_in_the_middle_costs_nothing_but_time(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    id_ = await collection_of(bench, 300)
    bench.instances.failures = [crashed()]
    running.start()
    await until(lambda: SMALL in running.embedding.problems)
    assert running.embedding.problems[SMALL].code == FailureCode.WORKER_CRASHED
    await running.complete(id_)
    await until(lambda: not running.embedding.problems)
    sent = [text for _, texts in bench.instances.embedded for text in texts]
    assert set(sent) == {text for _, texts in bench.instances.embedded for text in texts}
    assert len(set(sent)) == 300


async def test_a_model_that_is_missing_is_said_and_waited_for(documents_bench: Bench) -> None:
    running = Running(documents_bench, retry_seconds=3600)  # only `wake` helps
    try:
        id_ = await collection_of(documents_bench, 2)
        running.start()
        await until(lambda: SMALL in running.embedding.problems)
        problem = running.embedding.problems[SMALL]
        assert problem.code == FailureCode.MODEL_UNKNOWN
        assert SMALL in problem.message
        assert problem.hint
        await until(lambda: documents_bench.told == [id_])
        documents_bench.add_model(SMALL)
        running.embedding.wake()
        await running.complete(id_)
        await until(lambda: not running.embedding.problems)
    finally:
        await running.stop()


async def test_one_models_trouble_does_not_stop_another(running: Running) -> None:
    running.bench.add_model(SMALL)
    missing = await collection_of(running.bench, 2, model=OTHER, name="a")
    there = await collection_of(running.bench, 2, name="b")
    running.start()
    await running.complete(there)
    assert list(running.embedding.problems) == [OTHER]
    assert await running.bench.without_vectors(OTHER, missing) == 2


async def test_a_chunk_that_is_too_long_gets_the_vector_of_its_beginning(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    bench.instances.most_words = 50
    row = await bench.store.collections.create("notes", model=SMALL)
    # The counts are an estimate that was wrong: no model was there when it was cut.
    await bench.document(row.id, "a.md", ["short text", "first " + "word " * 120], tokens=10)
    running.start()
    await running.complete(row.id)
    sent = [text for _, texts in bench.instances.embedded for text in texts]
    assert len(sent) == 2
    assert all(len(text.split()) <= 50 for text in sent)
    assert any("first word" in text for text in sent)


async def test_a_chunk_cut_for_a_longer_model_is_shortened_before_it_is_sent(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL, context=128)
    bench.instances.most_words = 80
    row = await bench.store.collections.create("notes", model=SMALL)
    await bench.document(row.id, "a.md", ["word " * 200])
    running.start()
    await running.complete(row.id)
    assert len(bench.instances.embedded) == 1
    assert not running.embedding.problems


async def test_a_chunk_that_no_way_leads_to_is_left_and_said(running: Running) -> None:
    """Whoever waits for the collection must come to an end."""
    bench = running.bench
    bench.add_model(SMALL)
    bench.instances.refused = "§"
    row = await bench.store.collections.create("notes", model=SMALL)
    await bench.document(row.id, "a.md", ["§ " + "unspeakable " * 100, "A plain thing."])
    running.start()

    async def all_but_one() -> bool:
        return await bench.without_vectors(SMALL, row.id) == 1

    await until_so(all_but_one)
    await until(lambda: row.id in running.embedding.incomplete)
    assert "1 passage." in running.embedding.incomplete[row.id].message
    assert not running.embedding.problems
    requests = bench.instances.asked
    later = await bench.store.collections.create("other", model=SMALL)
    await bench.document(later.id, "b.md", ["Another thing."])
    running.embedding.wake()
    await running.complete(later.id)
    assert bench.instances.asked == requests + 1, "it is not tried for ever"
    await until(lambda: list(running.embedding.incomplete) == [row.id])


async def test_the_next_model_serves_only_when_it_has_everything(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    bench.add_model(OTHER)
    id_ = await collection_of(bench, 3)
    running.start()
    await running.complete(id_)
    bench.instances.gate = asyncio.Event()
    await bench.store.collections.set_models(id_, model=SMALL, next_model=OTHER)
    running.embedding.wake()
    await asyncio.sleep(0.05)
    row = await bench.store.collections.get(id_)
    assert (row.model, row.next_model) == (SMALL, OTHER)
    assert await bench.without_vectors(SMALL, id_) == 0, "the old vectors serve"
    bench.instances.gate.set()

    async def changed() -> bool:
        row = await bench.store.collections.get(id_)
        return (row.model, row.next_model) == (OTHER, None)

    await until_so(changed)
    await running.complete(id_, OTHER)

    async def dropped() -> bool:
        return await bench.store.vectors.models() == [OTHER]

    await until_so(dropped)


async def test_another_choice_meanwhile_wins(running: Running) -> None:
    bench = running.bench
    third = bench.add_model("acme/third")
    for key in (SMALL, OTHER):
        bench.add_model(key)
    id_ = await collection_of(bench, 3)
    bench.instances.gate = asyncio.Event()
    await bench.store.collections.set_models(id_, model=SMALL, next_model=OTHER)
    running.start()
    await asyncio.sleep(0.05)
    await bench.store.collections.set_models(id_, model=SMALL, next_model=third)
    bench.instances.gate.set()
    running.embedding.wake()

    async def changed() -> bool:
        return (await bench.store.collections.get(id_)).model == third

    await until_so(changed)


async def test_a_collection_that_is_removed_meanwhile_is_no_problem(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    bench.add_model(OTHER)
    id_ = await collection_of(bench, 300)
    await bench.store.collections.set_models(id_, model=SMALL, next_model=OTHER)
    bench.instances.gate = asyncio.Event()
    running.start()
    await asyncio.sleep(0.05)
    await bench.store.collections.delete(id_)
    while await bench.store.documents.sweep():
        pass
    bench.instances.gate.set()
    other = await collection_of(bench, 2, name="other")
    running.embedding.wake()
    await running.complete(other)
    assert running.embedding.problems == {}
    assert "no vectors are made" not in caplog.text


async def test_vectors_that_nobody_uses_are_dropped(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    id_ = await collection_of(bench, 2)
    running.start()
    await running.complete(id_)
    await bench.store.collections.set_models(id_, model=None, words_only=True)
    await running.embedding.drop_unused()
    assert await bench.store.vectors.models() == []


async def test_it_ends_when_the_engine_does(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    await collection_of(bench, 2)
    bench.instances.failures = [SamovarError(FailureCode.SHUTTING_DOWN, "The agent is stopping.")]
    running.start()
    assert running.task is not None
    await asyncio.wait_for(running.task, 10)


async def test_cancelled_while_it_computes_it_leaves_nothing_running(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    await collection_of(bench, 300)
    bench.instances.gate = asyncio.Event()
    before = asyncio.all_tasks()
    running.start()
    await until(lambda: len(asyncio.all_tasks() - before) > 2)
    await running.stop()
    assert not {task for task in asyncio.all_tasks() - before if not task.done()}


async def test_a_model_replaced_by_one_of_other_dimensions(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    id_ = await collection_of(bench, 300)
    other = await collection_of(bench, 2, name="other")
    running.start()
    await running.complete(id_)
    await running.complete(other)
    assert len(await bench.vectors.nearest(SMALL, vector_of("number7"), 5)) == 5
    bench.instances.dimensions = 32
    bench.library.widths[SMALL] = 32
    running.embedding.wake()

    async def made_anew() -> bool:
        vectors = await bench.store.vectors.get(SMALL, range(1, 303))
        return len(vectors) == 302 and {len(vector) for vector in vectors.values()} == {32 * 4}

    await until_so(made_anew)
    found = await bench.vectors.nearest(SMALL, vector_of("notes passage number7", 32), 5)
    assert len(found) == 5
    assert not running.embedding.problems


async def test_a_model_whose_vectors_are_narrower_than_its_layers_is_no_other(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    bench.library.widths[SMALL] = 1024
    id_ = await collection_of(bench, 3)
    running.start()
    await running.complete(id_)
    before = await bench.store.vectors.get(SMALL, [1, 2, 3])
    late = await bench.document(id_, "late.md", ["It came late."])
    running.embedding.wake()
    await running.complete(id_)
    sent = [text for _, texts in bench.instances.embedded for text in texts if "passage" in text]
    assert len(sent) == 3, "none was made anew"
    assert await bench.store.vectors.get(SMALL, [1, 2, 3]) == before
    assert late


async def test_a_killed_replacement_goes_on(running: Running) -> None:
    bench = running.bench
    bench.add_model(SMALL)
    id_ = await collection_of(bench, 3)
    running.start()
    await running.complete(id_)
    await running.stop()
    await bench.store.run(lambda db: db.execute("DELETE FROM chunk_vectors WHERE chunk = 1"))
    bench.instances.dimensions = bench.library.widths[SMALL] = 32
    again = Running(bench)
    again.start()

    async def made_anew() -> bool:
        vectors = await bench.store.vectors.get(SMALL, [1, 2, 3])
        return [len(vector) for vector in vectors.values()] == [128] * 3

    try:
        await until_so(made_anew)
    finally:
        await again.stop()
