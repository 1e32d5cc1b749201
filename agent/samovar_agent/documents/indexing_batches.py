"""What is read ahead of what is stored, and how much of it: a few megabytes, whatever is in the queue.

async with aclosing(Batches(put)) as batches:
    for portion in portions(documents):
        async for read in in_turn((document.size, reading(document)) for document in portion):
            await batches.add(read)
    await batches.flush()
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

from samovar_agent.documents.extracted import Problem
from samovar_agent.store.contents import NewChunk
from samovar_agent.store.documents import DocumentRow

T = TypeVar("T")

_BATCH_CHARACTERS = 8_000_000
"""Stored together: each transaction waits for the disk, and the index of words grows best by large pieces."""
_BATCH_SECONDS = 0.5
"""But what is read is found soon."""
_LEAST_CHARACTERS = 1_000_000
"""While nothing is being stored, it is better to store so much at once than to wait for more."""
_PORTION_BYTES = 16_000_000
_PORTION_FILES = 64
_AHEAD = 2
_AHEAD_SMALL = 32
_AHEAD_BYTES = 1_000_000
"""Files that are asked for beyond the one that is waited for; who reads them does one after the other, and would wait
between small ones for longer than they take."""


class Read(NamedTuple):
    """A document that was read but is not stored yet. - problem: what is wrong with it, or why there are no chunks."""

    document: DocumentRow
    recipe: str
    chunks: list[NewChunk]
    problem: Problem | None


class Batches:
    """Stores what was read, a batch while the next one is collected. - put: stores a batch."""

    def __init__(self, put: Callable[[Sequence[Read]], Coroutine[Any, Any, None]]) -> None:
        self._put = put
        self._waiting: list[Read] = []
        self._characters = 0
        self._putting: asyncio.Task[None] | None = None
        self._put_at = 0.0

    async def add(self, read: Read) -> None:
        """Store it soon. Raises what storing an earlier batch has raised."""
        self._waiting.append(read)
        self._characters += sum(len(chunk.text) for chunk in read.chunks)
        busy = self._putting is not None and not self._putting.done()
        late = self._characters >= _LEAST_CHARACTERS or time.monotonic() >= self._put_at + _BATCH_SECONDS
        if self._characters >= _BATCH_CHARACTERS or (late and not busy):
            await self._begin()

    async def flush(self) -> None:
        """Everything is stored when this returns. Raises what storing has raised."""
        await self._begin()
        await self._end()

    async def aclose(self) -> None:
        """Wait for the batch that is being stored; what was collected since is left."""
        self._waiting.clear()
        if self._putting is not None:
            await asyncio.gather(self._putting, return_exceptions=True)

    async def _begin(self) -> None:
        await self._end()
        if self._waiting:
            batch, self._waiting, self._characters = self._waiting, [], 0
            self._put_at = time.monotonic()
            self._putting = asyncio.create_task(self._put(batch))

    async def _end(self) -> None:
        if self._putting is not None:
            putting, self._putting = self._putting, None
            await putting


def portions(documents: Sequence[DocumentRow]) -> Iterator[Sequence[DocumentRow]]:
    """Parts that are looked at together, by the sizes of their files."""
    part: list[DocumentRow] = []
    size = 0
    for document in documents:
        if part and (len(part) == _PORTION_FILES or size + document.size > _PORTION_BYTES):
            yield part
            part, size = [], 0
        part.append(document)
        size += document.size
    if part:
        yield part


async def in_turn(works: Iterable[tuple[int, Coroutine[Any, Any, T]]]) -> AsyncGenerator[T, None]:
    """What comes of each, in order; a few are begun before it is their turn. Closing this ends what was begun.

    - works: each with the size of its file.
    """
    begun: deque[tuple[int, asyncio.Task[T]]] = deque()
    size = 0
    try:
        for bytes_, work in works:
            begun.append((bytes_, asyncio.create_task(work)))
            size += bytes_
            while len(begun) > (_AHEAD_SMALL if size <= _AHEAD_BYTES else _AHEAD):
                size -= begun[0][0]
                yield await begun.popleft()[1]
        while begun:
            yield await begun.popleft()[1]
    finally:
        for _, task in begun:
            task.cancel()
        await asyncio.gather(*(task for _, task in begun), return_exceptions=True)


@asynccontextmanager
async def ahead(work: Coroutine[Any, Any, T]) -> AsyncIterator[Awaitable[T]]:
    """The work goes on during this, and comes to its end before this does."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        await asyncio.gather(task, return_exceptions=True)
