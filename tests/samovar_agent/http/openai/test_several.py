"""Several generations side by side."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest

from samovar_agent.http.openai.several import _AT_ONCE, Item, silent, together
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Choice, Progress, Stats, Text


def reply(text: str, *others: str, **stats: Any) -> ChatReply:
    alternatives = [Choice(text=other, finish_reason="length") for other in others]
    return ChatReply(model="m", text=text, finish_reason="stop", stats=Stats(**stats), alternatives=alternatives)


async def says(*items: Item | Exception) -> AsyncGenerator[Item, None]:
    for item in items:
        await asyncio.sleep(0)
        if isinstance(item, Exception):
            raise item
        yield item


async def test_choices_follow_each_other() -> None:
    one: list[Item] = [Text(text="a"), Text(text="b", choice=1), reply("a", "b", prompt_tokens=3, decode_seconds=1.0)]
    two: list[Item] = [
        Progress(stage="loading"),
        Text(text="c", choice=1),
        reply("", "c", prompt_tokens=4, decode_seconds=2.0),
    ]
    items = [item async for item in together([partial(says, *one), partial(says, *two)], 2)]
    last = items.pop()
    assert isinstance(last, ChatReply)
    assert [last.text, *(choice.text for choice in last.alternatives)] == ["a", "b", "", "c"]
    assert [choice.finish_reason for choice in last.alternatives] == ["length", "stop", "length"]
    assert (last.stats.prompt_tokens, last.stats.decode_seconds) == (7, 2.0)
    told = [(item.choice, item.text) for item in items if isinstance(item, Text)]
    assert sorted(told) == [(0, "a"), (1, "b"), (3, "c")]
    assert Progress(stage="loading") in items


async def test_the_first_failure_ends_all_of_them() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[Item, None]:
        try:
            while True:
                await asyncio.sleep(0)
                yield Text(text="x")
        finally:
            closed.set()

    failing = partial(says, SamovarError(FailureCode.BUSY, "Too many."))
    with pytest.raises(SamovarError, match="Too many"):
        async for _ in together([endless, failing], 1):
            pass
    assert closed.is_set()


async def test_no_more_than_a_few_at_a_time() -> None:
    running, most = 0, 0

    async def counted() -> AsyncGenerator[Item, None]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        yield reply("x")
        running -= 1

    items = [item async for item in together([counted] * 30, 1)]
    assert most == _AT_ONCE
    assert isinstance(items[-1], ChatReply) and len(items[-1].alternatives) == 29


async def test_nothing_is_written_where_nothing_was_asked_for() -> None:
    items = [item async for item in silent(says(Text(text="a"), reply("a", "b", prompt_tokens=3, completion_tokens=2)))]
    (last,) = items
    assert isinstance(last, ChatReply)
    assert (last.text, last.finish_reason, last.alternatives[0].text) == ("", "length", "")
    assert (last.stats.prompt_tokens, last.stats.completion_tokens) == (3, 0)
