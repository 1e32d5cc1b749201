"""A model's name that nobody knows, or that may be two, is a 404 that lists what there is, in every dialect."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from samovar_agent.engine.instances import Instances
from samovar_agent.http.openapi.examples import CHAT_MODEL, EMBEDDING_MODEL, EXAMPLES, RERANK_MODEL, RESPONSE_ID
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.whole_agent import EMBEDDER, WholeAgent, whole
from tests.samovar_agent.models.gguf_files import llama, write_gguf

__all__ = ["whole"]

OTHER = "maker/SmolLM2-135M-Instruct"
_OF_THE_HUB = ("/pull", "/download")
_OF_MEMORY = ("/unload",)
_MAY_NAME = ("POST /infill", "POST /tokenize", "POST /detokenize", "POST /apply-template")


def naming() -> list[tuple[str, dict[str, Any]]]:
    """Requests that name a model of this machine: examples of the description, which has every endpoint."""
    found: list[tuple[str, dict[str, Any]]] = []
    for operation, examples in EXAMPLES.items():
        if any(word in operation for word in (*_OF_THE_HUB, *_OF_MEMORY)):
            continue
        for body in examples.values():
            named = {name: "?" for name, value in body.items() if value in (CHAT_MODEL, EMBEDDING_MODEL, RERANK_MODEL)}
            if named and RESPONSE_ID not in body.values() and body.get("keep_alive") != 0:
                found.append((operation, body | named))
    found += [(operation, {"model": "?", **body}) for operation in _MAY_NAME for body in EXAMPLES[operation].values()]
    return found + [(f"GET {path}/?", {}) for path in ("/v1/models", "/api/v0/models")]


@pytest.fixture
async def loading(whole: WholeAgent, tmp_path: Path) -> WholeAgent:
    """The same with models that are looked for as they are: no name here is one that a worker would start for."""
    services = whole.services
    write_gguf(services.places.models / f"{OTHER}/model.F16.gguf", llama(file_type=1))
    await services.library.refresh()
    services.instances = cast(
        Any,
        Instances(
            library=services.library, settings=services.settings, events=services.events, logs=tmp_path, patience=1.0
        ),
    )
    return whole


@pytest.mark.parametrize(
    ("name", "there"),
    [("nobody/knows", [KEY, OTHER, EMBEDDER]), (KEY.partition("/")[2], [KEY, OTHER])],
    ids=["unknown", "ambiguous"],
)
async def test_it_is_not_found_and_there_is_a_list(loading: WholeAgent, name: str, there: list[str]) -> None:
    requests = naming()
    assert len({operation for operation, _ in requests}) > 22
    for operation, body in requests:
        method, path = operation.replace("?", name).split(" ")
        text = json.dumps(body).replace('"?"', json.dumps(name))
        sent = {"data": text, "headers": {"Content-Type": "application/json"}} if body else {}
        answer = await loading.ask(method, path, **sent)
        said = answer.body.decode()
        assert answer.status == 404 and answer.headers["Content-Type"].startswith("application/json"), operation
        assert all(model in said for model in there), (operation, said)
    numbers = (await loading.ask("GET", "/metrics")).body.decode()
    assert "samovar_model_" not in numbers and name not in numbers, "what nobody has is no label"
