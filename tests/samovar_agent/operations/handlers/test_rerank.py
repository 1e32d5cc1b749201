"""`rerank`: loading is told, the best document comes first, and leaving early stops the work."""

import asyncio

from samovar.requests import Rerank
from samovar_protocol.values import RankedDocument
from tests.samovar_agent.control.conftest import LOADING, Agent


async def test_loading_and_then_the_documents(agent: Agent) -> None:
    request = Rerank(model="ranker", query="tea?", documents=["snow", "a samovar"], top=2)
    async with agent.client() as client, client.stream(request) as stream:
        assert [progress async for progress in stream] == [LOADING]
    assert stream.reply.results == [RankedDocument(index=1, score=0.75), RankedDocument(index=0, score=-0.5)]
    model, query, documents, options = agent.instances.asked[0]
    assert (model, query, documents) == ("ranker", "tea?", ["snow", "a samovar"])
    assert (options["top"], options["priority"]) == (2, "interactive")


async def test_leaving_early_stops_the_work(agent: Agent) -> None:
    agent.instances.pace = 60
    async with agent.client() as client:
        async with client.stream(Rerank(query="tea?", documents=["snow"])) as stream:
            await anext(stream)
        await asyncio.wait_for(agent.instances.closed.wait(), 5)
