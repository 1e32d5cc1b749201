import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from samovar_agent.documents import indexing_batches
from samovar_agent.documents.indexing_batches import Batches, Read, ahead, in_turn, portions
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import DocumentRow


def document(number: int, size: int = 1) -> DocumentRow:
    return DocumentRow(
        id=number, collection=1, source=1, name=str(number), size=size, mtime=1.0, state="indexing", revision=1
    )


def read(number: int, text: str = "text") -> Read:
    return Read(document(number), "r", [NewChunk(text=text, start=0, end=len(text), tokens=1)], None)


async def test_what_is_collected_while_a_batch_is_stored_is_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing_batches, "_BATCH_SECONDS", 0)
    stored: list[list[int]] = []
    free = asyncio.Event()

    async def put(batch: Sequence[Read]) -> None:
        stored.append([one.document.id for one in batch])
        await free.wait()

    batches = Batches(put)
    for number in range(4):
        await batches.add(read(number))
        await asyncio.sleep(0)
    assert stored == [[0]]
    free.set()
    await batches.flush()
    assert stored == [[0], [1, 2, 3]]


async def test_nothing_much_waits_while_nothing_is_stored() -> None:
    stored: list[int] = []

    async def put(batch: Sequence[Read]) -> None:
        stored.append(len(batch))

    batches = Batches(put)
    for number in range(4):
        await batches.add(read(number, "x" * 600_000))
        await asyncio.sleep(0)
    assert stored == [1, 2], "the first at once, then what is worth it"
    await batches.flush()


async def test_no_more_is_collected_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing_batches, "_BATCH_CHARACTERS", 10)
    free = asyncio.Event()

    async def put(batch: Sequence[Read]) -> None:
        await free.wait()

    batches = Batches(put)
    await batches.add(read(1, "x" * 10))
    adding = asyncio.create_task(batches.add(read(2, "x" * 10)))
    await asyncio.sleep(0)
    assert not adding.done()
    free.set()
    await adding
    await batches.flush()


async def test_what_storing_raises_is_raised_later() -> None:
    async def put(batch: Sequence[Read]) -> None:
        raise OSError("full")

    batches = Batches(put)
    await batches.add(read(1))
    with pytest.raises(OSError, match="full"):
        await batches.flush()
    await batches.add(read(2))
    await batches.aclose()


def test_portions_are_of_a_few_files_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing_batches, "_PORTION_FILES", 3)
    monkeypatch.setattr(indexing_batches, "_PORTION_BYTES", 10)
    sizes = [1, 1, 1, 1, 20, 5, 5, 5]
    found = [[row.size for row in part] for part in portions([document(n, size) for n, size in enumerate(sizes)])]
    assert found == [[1, 1, 1], [1], [20], [5, 5], [5]]


async def test_works_are_begun_before_their_turn_and_end_with_whoever_wanted_them() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        try:
            await asyncio.sleep(0 if number < 2 else 60)
        except asyncio.CancelledError:
            ended.append(number)
            raise
        return number

    async with aclosing(in_turn((2_000_000, work(number)) for number in range(10))) as results:
        found = [await anext(results), await anext(results)]
    assert found == [0, 1]
    assert begun == [0, 1, 2], "large files are not collected in memory"
    assert ended == begun[2:]


async def test_of_small_works_more_are_begun_before_their_turn() -> None:
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0)
        return number

    async with aclosing(in_turn((10_000, work(number)) for number in range(100))) as results:
        assert await anext(results) == 0
        assert 20 < len(begun) < 40
        assert [number async for number in results] == list(range(1, 100))


async def test_what_goes_on_ahead_is_waited_for() -> None:
    done: list[str] = []

    async def work() -> str:
        await asyncio.sleep(0.01)
        done.append("done")
        return "result"

    with pytest.raises(ValueError, match="body"):
        async with ahead(work()):
            raise ValueError("body")
    assert done == ["done"]
    async with ahead(work()) as result:
        assert await result == "result"
