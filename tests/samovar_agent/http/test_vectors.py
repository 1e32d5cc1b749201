"""Vectors as JSON."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable

import pytest

from samovar_agent.http.vectors import json_list
from samovar_protocol.replies import EmbedReply, numbers


def reply(rows: list[list[float]], dimensions: int) -> EmbedReply:
    vectors = b"".join(struct.pack(f"<{dimensions}f", *row) for row in rows)
    return EmbedReply(model="maker/m", vectors=vectors, dimensions=dimensions, prompt_tokens=1, seconds=0.0)


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 101, 250])
async def test_all_of_them_in_their_order(count: int) -> None:
    rows = [[float(index), 0.5] * 500 for index in range(count)]  # 1,000 numbers each, 100 vectors a portion
    listed = json.loads(await json_list(reply(rows, 1000), lambda _, vector: numbers(vector)))
    assert listed == rows


async def test_a_vector_may_be_longer_than_a_portion() -> None:
    rows = [[1.0] * 150_000, [2.0] * 150_000]
    assert json.loads(await json_list(reply(rows, 150_000), lambda _, vector: numbers(vector))) == rows


async def test_entries_know_their_place() -> None:
    entry: Callable[[int, bytes], object] = lambda index, vector: {"index": index, "bytes": len(vector)}  # noqa: E731
    assert json.loads(await json_list(reply([[1.0], [2.0]], 1), entry)) == [
        {"index": 0, "bytes": 4},
        {"index": 1, "bytes": 4},
    ]


async def test_others_have_their_turn_meanwhile() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await json_list(reply([[0.0] * 1000] * 1000, 1000), lambda _, vector: numbers(vector))
    task.cancel()
    assert turns >= 9
