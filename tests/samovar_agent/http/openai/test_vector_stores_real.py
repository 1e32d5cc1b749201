"""The official client with documents that are really read and searched, by words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from samovar_agent.documents.service import DocumentService
from samovar_agent.engine.instances import Instances
from samovar_agent.models.library import Library
from samovar_protocol import Places
from tests.samovar_agent.http.conftest import Agent
from tests.samovar_agent.http.fake_documents import FakeDocuments

TEXTS = {
    "oolong.md": "# Oolong\n\nOolong is partly oxidised and grows in Fujian.\n",
    "espresso.txt": "Espresso is brewed under pressure by a machine.\n",
    "matcha.txt": "Matcha is green tea, ground to a powder in Uji.\n",
}


@pytest.fixture
async def client(agent: Agent, documents: FakeDocuments, tmp_path: Path) -> AsyncIterator[openai.AsyncOpenAI]:
    """Over the real service: the store is the one of the fixture, the models are nobody's."""
    service = DocumentService(
        store=documents.store,
        instances=cast(Instances, agent.instances),
        library=cast(Library, agent.library),
        settings=agent.settings,
        events=agent.events,
        places=Places(config=tmp_path, data=tmp_path / "data", logs=tmp_path / "logs"),
        conversations=agent.services.conversations,
    )
    await service.open()
    agent.documents.fake = cast(Any, service)
    async with openai.AsyncOpenAI(base_url=f"{agent.url}/v1", api_key="x", max_retries=0) as client:
        yield client
    await service.close()


async def test_from_the_upload_to_what_is_found(client: openai.AsyncOpenAI) -> None:
    ids = {
        name: (await client.files.create(file=(name, text.encode()), purpose="assistants")).id
        for name, text in TEXTS.items()
    }
    store = await client.vector_stores.create(name="Drinks")
    async with asyncio.timeout(60):
        batch = await client.vector_stores.file_batches.create_and_poll(
            store.id,
            files=[{"file_id": id_, "attributes": {"kind": Path(name).suffix}} for name, id_ in ids.items()],
            poll_interval_ms=50,
        )
    assert (batch.status, batch.file_counts.completed) == ("completed", 3)
    found = (await client.vector_stores.search(store.id, query="Where does oolong grow?")).data
    assert found[0].file_id == ids["oolong.md"] and "Fujian" in found[0].content[0].text
    assert found[0].attributes == {"kind": ".md"}
    filtered = await client.vector_stores.search(
        store.id, query="tea powder machine", filters={"type": "eq", "key": "kind", "value": ".md"}
    )
    assert {result.file_id for result in filtered.data} <= {ids["oolong.md"]}
    both = await client.vector_stores.search(store.id, query=["espresso machine", "matcha powder"])
    assert {result.filename for result in both.data} >= {"espresso.txt", "matcha.txt"}
    content = await client.vector_stores.files.content(ids["espresso.txt"], vector_store_id=store.id)
    assert "under pressure" in (content.data[0].text or "")

    await client.vector_stores.files.delete(ids["oolong.md"], vector_store_id=store.id)
    assert not any(
        "Fujian" in one.content[0].text for one in (await client.vector_stores.search(store.id, query="oolong")).data
    )
    await client.files.delete(ids["espresso.txt"])
    left = [file.id async for file in client.vector_stores.files.list(store.id)]
    assert left == [ids["matcha.txt"]]
    assert (await client.vector_stores.update(store.id, name="Hot  drinks")).name == "Hot  drinks"
    assert (await client.vector_stores.retrieve(store.id)).name == "Hot  drinks"
    await client.vector_stores.delete(store.id)
    assert [file.id async for file in client.files.list()] == [ids["matcha.txt"], ids["oolong.md"]]


async def test_a_file_that_cannot_be_read_says_why(client: openai.AsyncOpenAI) -> None:
    store = await client.vector_stores.create()
    async with asyncio.timeout(60):
        file = await client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=("broken.pdf", b"%PDF-1.7 and no more"), poll_interval_ms=50
        )
    assert file.status == "failed" and file.last_error is not None
    assert file.last_error.code in ("invalid_file", "unsupported_file") and file.last_error.message
