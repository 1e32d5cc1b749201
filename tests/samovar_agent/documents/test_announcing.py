import asyncio

from samovar_agent.documents.announcing import Announcing
from samovar_agent.events import EventBus
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import CollectionInfo
from samovar_protocol.events import AnyEvent, CollectionChanged
from tests.samovar_agent.documents.bench import until


class Said:
    """What is announced, of collections 1 to 9; others are gone."""

    def __init__(self) -> None:
        self.collections: list[int] = []
        self.described = 0
        self.gate: asyncio.Event | None = None
        events = EventBus()
        events.subscribe(self._heard)
        self.announcing = Announcing(self._describe, events)

    async def _describe(self, collection: int) -> CollectionInfo:
        self.described += 1
        if self.gate is not None:
            await self.gate.wait()
        if collection > 9:
            raise SamovarError(FailureCode.NOT_FOUND, "It is gone.")
        return CollectionInfo(id=collection, name=str(collection), created_at=0.0)

    def _heard(self, number: int, when: float, cause: str | None, event: AnyEvent) -> None:
        assert isinstance(event, CollectionChanged)
        self.collections.append(event.collection.id)


async def test_many_changes_are_said_a_few_times() -> None:
    said = Said()
    for _ in range(1000):
        said.announcing.changed(1)
        said.announcing.changed(2)
    await until(lambda: said.collections == [1, 2])
    said.announcing.changed(1)
    await until(lambda: said.collections == [1, 2, 1])
    assert said.described == 3
    await said.announcing.close()


async def test_what_changes_while_it_is_said_is_said_again() -> None:
    said = Said()
    said.gate = asyncio.Event()
    said.announcing.changed(1)
    await until(lambda: said.described == 1)
    said.announcing.changed(1)
    said.gate.set()
    await until(lambda: said.collections == [1, 1])
    await said.announcing.close()


async def test_one_that_is_gone_keeps_no_other_from_being_said() -> None:
    said = Said()
    for collection in (3, 99, 4):
        said.announcing.changed(collection)
    await until(lambda: said.collections == [3, 4])
    said.announcing.changed(5)
    await until(lambda: said.collections == [3, 4, 5])
    await said.announcing.close()


async def test_after_the_end_nothing_is_said() -> None:
    said = Said()
    await said.announcing.close()
    said.gate = asyncio.Event()
    said.announcing.changed(1)
    await until(lambda: said.described == 1)
    await said.announcing.close()
    said.gate.set()
    await asyncio.sleep(0)
    assert said.collections == []
