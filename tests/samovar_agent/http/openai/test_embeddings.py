"""Vectors of texts, as numbers and in base64."""

import asyncio
import base64
import struct
from collections.abc import Callable
from typing import Any

import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.http.conftest import KEY, Agent, Answer, Browser

VECTORS = [[0.5, -1.0, 0.25], [2.0, 0.0, -8.0]]
USAGE = {"prompt_tokens": 7, "total_tokens": 7}


async def embed(browser: Browser, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    return await browser.ask("POST", "/v1/embeddings", json={"model": KEY, "input": "x", **body}, headers=headers)


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": None, "user": "me"}])
async def test_vectors_as_numbers(agent: Agent, browser: Browser, options: dict[str, Any]) -> None:
    agent.instances.vectors = VECTORS
    answer = await embed(browser, input=["a", "b"], **options)
    assert answer.json() == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": VECTORS[0]},
            {"object": "embedding", "index": 1, "embedding": VECTORS[1]},
        ],
        "model": KEY,
        "usage": USAGE,
    }
    assert answer.headers["x-request-id"] == "http-1"


async def test_vectors_in_base64_are_little_endian_floats(agent: Agent, browser: Browser) -> None:
    agent.instances.vectors = VECTORS
    data = (await embed(browser, input=["a", "b"], encoding_format="base64")).json()["data"]
    assert [list(struct.unpack("<3f", base64.b64decode(entry["embedding"]))) for entry in data] == VECTORS


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("one", ["one"]),
        ("", [""]),
        (["one", "two"], ["one", "two"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        (["one", [2, 3]], ["one", [2, 3]]),
    ],
)
async def test_every_form_of_input(agent: Agent, browser: Browser, given: Any, inputs: Any) -> None:
    assert (await embed(browser, input=given, dimensions=2)).status == 200
    assert agent.instances.others == [(KEY, inputs, 2)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"input": {}}, "input"),
        ({"input": ["a", 5]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [1, -1]}, "input[1]"),
        ({"input": [2**31]}, "input[0]"),
        ({"input": [10**400]}, "input[0]"),
        ({"input": [[1.5]]}, "input[0][0]"),
        ({"input": [True]}, "input[0]"),
        ({"input": [["a"]]}, "input[0][0]"),
        ({"input": ["x"] * 20_001}, "input"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "all"}, "dimensions"),
        ({"input_type": "query"}, "input_type"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_wrong_is_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    answer = await embed(browser, **body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert not agent.instances.others


async def test_loading_is_waited_for(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Progress(stage="loading"), Progress(stage="loading", done=1, total=1, unit="ratio")]
    assert (await embed(browser)).status == 200


async def test_a_failure_has_its_status(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [SamovarError(FailureCode.MODEL_UNSUPPORTED, "It makes no vectors.")]
    answer = await embed(browser)
    assert (answer.status, answer.error["code"]) == (422, "model_unsupported")


async def test_a_client_that_goes_away_stops_the_work(
    agent: Agent, browser: Browser, until: Callable[[Callable[[], bool]], Any]
) -> None:
    agent.instances.items = [asyncio.Event()]
    asking = asyncio.create_task(embed(browser))
    await until(lambda: bool(agent.instances.others))
    asking.cancel()
    await until(agent.instances.closed.is_set)


async def test_a_token_needs_the_scope(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.require_token", True)
    for scope, status in (("embed", 200), ("admin", 200), ("chat", 403)):
        secret = agent.tokens.add(scope, scope)  # type: ignore[arg-type]
        assert (await embed(browser, headers={"Authorization": f"Bearer {secret}"})).status == status
    assert (await embed(browser)).status == 401
