"""Every example of the description is answered by a whole agent, as the description says."""

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from samovar_agent.http.openapi.document import document
from samovar_agent.http.openapi.examples import EMBEDDING_MODEL, EXAMPLES, FILE, FILE_ID, FOLDER, RESPONSE_ID
from tests.samovar_agent.http.openapi.test_document import table
from tests.samovar_agent.http.whole_agent import EMBEDDER, WholeAgent
from tests.samovar_agent.models.gguf_files import llama, write_gguf

_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@cache
def described() -> Any:
    return schemathesis.openapi.from_dict(document(table()))


@pytest.fixture
async def known(whole: WholeAgent, tmp_path: Path) -> dict[str, str]:
    """What there is in the agent for that which examples name, and for the places in paths."""
    folder = tmp_path / "notes"
    folder.mkdir()
    write_gguf(tmp_path / "model.gguf", llama(file_type=1))
    form = aiohttp.FormData({"purpose": "assistants"})
    form.add_field("file", b"The garden opens in June.", filename="garden.txt")
    file = (await whole.ask("POST", "/v1/files", data=form)).json()["id"]
    store = (await whole.ask("POST", "/v1/vector_stores", json={"name": "a store", "file_ids": [file]})).json()["id"]
    asked = {"model": "SmolLM2-135M-Instruct", "input": "Hello?"}
    response = (await whole.ask("POST", "/v1/responses", json=asked)).json()["id"]
    assert (await whole.ask("POST", "/api/samovar/collections", json={"name": "notes"})).status == 200
    added = await whole.ask("POST", "/api/samovar/collections/notes/documents", json={"paths": [str(folder)]})
    assert added.status == 200
    talk = (await whole.ask("POST", "/api/samovar/conversations", json={})).json()["conversation"]["id"]
    return {
        EMBEDDING_MODEL: EMBEDDER,
        FOLDER: str(folder),
        FILE: str(tmp_path / "model.gguf"),
        FILE_ID: file,
        RESPONSE_ID: response,
        "{store}": store,
        "{file}": file,
        "{collection}": "notes",
        "{conversation}": str(talk),
        "{key}": "models.ttl_minutes",
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize("operation", EXAMPLES)
async def test_it_is_answered(whole: WholeAgent, known: dict[str, str], operation: str) -> None:
    method, path = operation.split(" ")
    places = {name[1:-1]: value for name, value in known.items() if name in path}
    if path.endswith("/{store}/files"):
        await whole.ask("DELETE", f"{path.format(**places)}/{known[FILE_ID]}")  # attaching it is the example
    for body in EXAMPLES[operation].values():
        text = json.dumps(body)
        for name, value in known.items():
            text = text.replace(f'"{name}"', f'"{value}"')
        case = described()[path][method].Case(
            path_parameters=places, body=json.loads(text), media_type="application/json"
        )
        answer = await asyncio.to_thread(case.call_and_validate, base_url=whole.url, checks=_CHECKS, timeout=20)
        assert answer.status_code == 200, answer.text
        assert not answer.text.startswith("event: error") and "event: error\n" not in answer.text
