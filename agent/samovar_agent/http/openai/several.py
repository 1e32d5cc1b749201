"""Several generations as one, with the choices of each behind those of the one before."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from itertools import chain

import msgspec

from samovar_agent.http.answering import ended_early
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Choice, Progress, Stats, Text, TokenLogprob

Item = AnyDelta | Progress | ChatReply
Generate = Callable[[], AsyncGenerator[Item, None]]

_AT_ONCE = 8
"""So many are asked for at a time: one request must not fill the queue that is there for all."""
_AHEAD = 64
"""Items that may wait for a reader that takes none."""


async def together(generations: Sequence[Generate], n: int) -> AsyncGenerator[Item, None]:
    """What each says, and one reply for all of them last. - n: choices of each. The first failure ends them all."""
    replies: list[ChatReply | None] = [None] * len(generations)
    async with aclosing(_all(generations)) as items:
        async for index, item in items:
            if isinstance(item, ChatReply):
                replies[index] = item
            elif isinstance(item, Progress):
                yield item
            else:
                yield msgspec.structs.replace(item, choice=index * n + item.choice)
    whole = [reply for reply in replies if reply is not None]
    if len(whole) < len(replies):
        raise ended_early()
    yield _joined(whole)


async def silent(items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """As if not one token had been asked for: an engine writes one at least. What it tells of the prompt stays."""
    scored: defaultdict[int, list[TokenLogprob]] = defaultdict(list)
    async with aclosing(items):
        async for item in items:
            if isinstance(item, Progress):
                yield item
            elif isinstance(item, Text) and not item.tokens:
                scored[item.choice] += item.logprobs
                yield item
            elif isinstance(item, ChatReply):
                yield msgspec.structs.replace(
                    item,
                    text="",
                    logprobs=scored[0],
                    finish_reason="length",
                    stats=msgspec.structs.replace(item.stats, completion_tokens=0),
                    alternatives=[
                        Choice(text="", finish_reason="length", logprobs=scored[place])
                        for place in range(1, 1 + len(item.alternatives))
                    ],
                )


async def _all(generations: Sequence[Generate]) -> AsyncGenerator[tuple[int, Item], None]:
    entries: asyncio.Queue[tuple[int, Item] | Exception | None] = asyncio.Queue(_AHEAD)
    places = asyncio.Semaphore(_AT_ONCE)

    async def run(index: int) -> None:
        end: Exception | None = None
        try:
            async with places, aclosing(generations[index]()) as items:
                async for item in items:
                    await entries.put((index, item))
        except Exception as error:
            end = error
        await entries.put(end)

    tasks = [asyncio.create_task(run(index)) for index in range(len(generations))]
    try:
        left = len(tasks)
        while left:
            entry = await entries.get()
            if isinstance(entry, Exception):
                raise entry
            if entry is None:
                left -= 1
            else:
                yield entry
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _joined(replies: Sequence[ChatReply]) -> ChatReply:
    choices = list(chain.from_iterable((_first(reply), *reply.alternatives) for reply in replies))
    return msgspec.structs.replace(replies[0], alternatives=choices[1:], stats=_summed([one.stats for one in replies]))


def _first(reply: ChatReply) -> Choice:
    return Choice(
        text=reply.text, finish_reason=reply.finish_reason, reasoning=reply.reasoning, logprobs=reply.logprobs
    )


def _summed(stats: Sequence[Stats]) -> Stats:
    """Tokens of all; the longest times, because they ran side by side."""
    return Stats(
        prompt_tokens=sum(one.prompt_tokens for one in stats),
        cached_tokens=sum(one.cached_tokens for one in stats),
        completion_tokens=sum(one.completion_tokens for one in stats),
        drafted_tokens=sum(one.drafted_tokens for one in stats),
        accepted_tokens=sum(one.accepted_tokens for one in stats),
        queue_seconds=max(one.queue_seconds for one in stats),
        load_seconds=max(one.load_seconds for one in stats),
        prompt_seconds=max(one.prompt_seconds for one in stats),
        decode_seconds=max(one.decode_seconds for one in stats),
    )
