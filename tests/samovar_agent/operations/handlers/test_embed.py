"""`embed`: loading is told, the vectors come back as they are, and leaving early stops the work."""

import asyncio
import os

import pytest

from samovar import SamovarError
from samovar.requests import Embed
from samovar_protocol import FailureCode
from samovar_protocol.wire import MAX_FRAME_BYTES
from tests.samovar_agent.control.conftest import LOADING, Agent


async def test_loading_and_then_the_vectors(agent: Agent) -> None:
    request = Embed(model="minilm", inputs=["a", [1, 2]], dimensions=2, priority="background")
    async with agent.client() as client, client.stream(request) as stream:
        assert [progress async for progress in stream] == [LOADING]
    assert (stream.reply.model, stream.reply.rows()) == ("minilm", [[0.5, -1.0]])
    expected = {"dimensions": 2, "priority": "background", "client": f"test pid {os.getpid()}"}
    assert agent.instances.asked == [("minilm", ["a", [1, 2]], expected)]


async def test_leaving_early_stops_the_work(agent: Agent) -> None:
    agent.instances.pace = 60
    async with agent.client() as client:
        async with client.stream(Embed(inputs=["a"])) as stream:
            await anext(stream)
        await asyncio.wait_for(agent.instances.closed.wait(), 5)


async def test_more_than_an_answer_can_hold_is_a_failure_and_not_a_lost_connection(agent: Agent) -> None:
    agent.instances.vectors = [0.0] * (MAX_FRAME_BYTES // 4)
    async with agent.client() as client:
        with pytest.raises(SamovarError) as raised:
            await client.call(Embed(inputs=["a"]))
        assert raised.value.code == FailureCode.TOO_LARGE
        agent.instances.vectors = [1.0] * (MAX_FRAME_BYTES * 3 // 16 - 1000)
        assert len((await client.call(Embed(inputs=["a"]))).rows()) == 1
