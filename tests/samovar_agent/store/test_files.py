"""Uploaded files, in portions and with what brings them to their place."""

from __future__ import annotations

import pytest

from samovar_agent.store.portions import Portion
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError


def nowhere(id_: int) -> None:
    """The file need not be anywhere."""


async def add(store: Store, count: int) -> list[int]:
    purposes = ("assistants", "user_data")
    return [(await store.files.add(f"{n}.txt", purposes[n % 2], n, "ab", nowhere)).id for n in range(count)]


async def test_a_file_from_its_beginning_to_its_end(store: Store) -> None:
    placed: list[int] = []
    row = await store.files.add("tea ü.txt", "assistants", 3, "ab", placed.append)
    assert placed == [row.id]
    assert await store.files.get(row.id) == row
    assert await store.files.ids() == {row.id}
    assert await store.files.delete(row.id)
    assert not await store.files.delete(row.id)
    with pytest.raises(SamovarError) as error:
        await store.files.get(row.id)
    assert error.value.code == FailureCode.NOT_FOUND
    assert (await store.files.add("again", "assistants", 3, "ab", nowhere)).id > row.id


async def test_a_file_that_found_no_place_is_none(store: Store) -> None:
    def full(id_: int) -> None:
        raise SamovarError(FailureCode.DISK_FULL, "The disk is full.")

    with pytest.raises(SamovarError) as error:
        await store.files.add("tea.txt", "assistants", 3, "ab", full)
    assert error.value.code == FailureCode.DISK_FULL
    assert await store.files.ids() == set()


async def test_those_that_are_gone_are_left_out(store: Store) -> None:
    ids = await add(store, 3)
    await store.files.delete(ids[1])
    assert {row.id for row in await store.files.find([*ids, 99])} == {ids[0], ids[2]}


async def test_more_than_one_statement_can_take(store: Store) -> None:
    ids = await add(store, 3)
    assert {row.id for row in await store.files.find([*range(1000, 3000), *ids])} == set(ids)


@pytest.mark.parametrize(
    ("portion", "expected", "more"),
    [
        (Portion(), [5, 4, 3, 2, 1], False),
        (Portion(newest_first=False), [1, 2, 3, 4, 5], False),
        (Portion(limit=5), [5, 4, 3, 2, 1], False),
        (Portion(limit=2), [5, 4], True),
        (Portion(limit=2, after=4), [3, 2], True),
        (Portion(limit=2, after=3), [2, 1], False),
        (Portion(after=1), [], False),
        (Portion(limit=2, after=2, newest_first=False), [3, 4], True),
        (Portion(limit=2, before=1), [3, 2], True),
        (Portion(limit=2, before=4), [5], False),
        (Portion(limit=2, before=4, newest_first=False), [2, 3], True),
        (Portion(limit=2, before=1, after=4), [3, 2], False),
        (Portion(limit=1, before=1, after=4), [3], True),
        (Portion(limit=2, after=99), [5, 4], True),
    ],
)
async def test_portions(store: Store, portion: Portion, expected: list[int], more: bool) -> None:
    assert await add(store, 5) == [1, 2, 3, 4, 5]
    rows, found_more = await store.files.ls(portion)
    assert ([row.id for row in rows], found_more) == (expected, more)


async def test_by_purpose(store: Store) -> None:
    await add(store, 5)
    rows, more = await store.files.ls(Portion(limit=1), "user_data")
    assert ([row.id for row in rows], more) == ([4], True)
