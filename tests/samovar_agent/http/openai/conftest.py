"""The official client, as its users have it."""

from collections.abc import AsyncIterator

import openai
import pytest

from tests.samovar_agent.http.conftest import Agent
from tests.samovar_agent.http.fake_documents import FakeDocuments


@pytest.fixture
async def client(agent: Agent, documents: FakeDocuments) -> AsyncIterator[openai.AsyncOpenAI]:
    """With documents."""
    async with openai.AsyncOpenAI(base_url=f"{agent.url}/v1", api_key="not-needed", max_retries=0) as client:
        yield client
