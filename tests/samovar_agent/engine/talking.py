"""Asking instances for replies, in a line."""

from collections.abc import AsyncGenerator
from typing import Any

import psutil
import pytest

from samovar_protocol import SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, ChatOptions, Message, Progress, Sampling
from tests.samovar_agent.engine.conftest import Bench

Item = AnyDelta | Progress | ChatReply


def talk(
    bench: Bench, text: str, model: str | None = "maker/small", client: str = "", **options: Any
) -> AsyncGenerator[Item, None]:
    messages = [Message(role="user", content=text)]
    return bench.instances.generate(model, messages, Sampling(), ChatOptions(**options), client=client)


async def reply(bench: Bench, text: str, model: str | None = "maker/small", **options: Any) -> ChatReply:
    last = [item async for item in talk(bench, text, model, **options)][-1]
    assert isinstance(last, ChatReply)
    return last


async def failure(bench: Bench, text: str, model: str | None = "maker/small", **options: Any) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        await reply(bench, text, model, **options)
    return caught.value


def gone(pid: int | None) -> bool:
    return pid is None or not psutil.pid_exists(pid)
