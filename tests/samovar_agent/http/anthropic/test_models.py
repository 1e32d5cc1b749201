"""Models as Anthropic lists them, where a request has its header."""

import pytest

from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.http.anthropic.conftest import error_of
from tests.samovar_agent.http.conftest import KEY, Agent, Answer, Browser, model

HEADERS = {"anthropic-version": "2023-06-01"}
ENTRY = {
    "type": "model",
    "id": KEY,
    "display_name": "SmolLM2-135M-Instruct",
    "created_at": "2023-11-14T22:13:20Z",
    "lifecycle": "active",
    "max_input_tokens": None,
}


async def listed(browser: Browser, query: str = "") -> Answer:
    return await browser.ask("GET", f"/v1/models{query}", headers=HEADERS)


async def test_the_header_says_whose_shape_it_is(agent: Agent, browser: Browser) -> None:
    assert (await listed(browser)).json() == {"data": [ENTRY], "has_more": False, "first_id": KEY, "last_id": KEY}
    assert (await browser.ask("GET", "/v1/models")).json()["object"] == "list"
    assert (await browser.ask("HEAD", "/v1/models", headers=HEADERS)).status == 200


async def test_one_model_by_any_of_its_names(agent: Agent, browser: Browser) -> None:
    for name in (KEY, "smollm"):
        assert (await browser.ask("GET", f"/v1/models/{name}", headers=HEADERS)).json() == ENTRY
    assert (await browser.ask("GET", "/v1/models/no/such", headers=HEADERS)).status == 404
    assert (await browser.ask("GET", f"/v1/models/{KEY}")).json()["object"] == "model"


async def test_further_names_and_what_is_not_usable(agent: Agent, browser: Browser) -> None:
    agent.library.models = [model("x/y", context_length=4096), model("x/broken", state="broken")]
    agent.instances.loaded = [
        InstanceInfo(identifier="claude", model="x/y", state="ready", context_length=2048),
        InstanceInfo(identifier="gone", model="x/y", state="failed"),
    ]
    data = (await listed(browser)).json()["data"]
    assert [(entry["id"], entry["display_name"], entry["max_input_tokens"]) for entry in data] == [
        ("x/y", "y", 4096),
        ("claude", "y", 2048),
    ]


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("", range(20), True),
        ("?limit=2", range(2), True),
        ("?limit=25", range(25), False),
        ("?limit=2&after_id=x/22", range(23, 25), False),
        ("?after_id=x/24", range(0), False),
        ("?limit=3&before_id=x/3", range(3), False),
        ("?limit=3&before_id=x/4&beta=true", range(1, 4), True),
    ],
)
async def test_pages(agent: Agent, browser: Browser, query: str, ids: range, more: bool) -> None:
    agent.library.models = [model(f"x/{number}") for number in range(25)]
    body = (await listed(browser, query)).json()
    assert [entry["id"] for entry in body["data"]] == [f"x/{number}" for number in ids]
    assert body["has_more"] is more
    assert body["first_id"] == (f"x/{ids[0]}" if ids else None)


@pytest.mark.parametrize(
    ("method", "path", "status", "type_"),
    [
        ("GET", "/v1/models/no/such", 404, "not_found_error"),
        ("GET", "/v1/models?limit=0", 400, "invalid_request_error"),
        ("DELETE", "/v1/models", 405, "invalid_request_error"),
        ("GET", "/v1/nothing", 404, "not_found_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("POST", "/v1/complete", 404, "not_found_error"),
        ("GET", "/v1/files?beta=true", 400, "invalid_request_error"),
    ],
)
async def test_failures_have_their_clients_shape(
    agent: Agent, browser: Browser, method: str, path: str, status: int, type_: str
) -> None:
    answer = await browser.ask(method, path, headers=HEADERS)
    assert answer.status == status
    assert error_of(answer)["type"] == type_


async def test_who_looks_for_more_is_told_what_there_is(agent: Agent, browser: Browser) -> None:
    message = error_of(await browser.ask("POST", "/v1/messages/batches", headers=HEADERS))["message"]
    assert "/v1/messages/count_tokens" in message and "OpenAI" not in message


@pytest.mark.parametrize(
    "query", ["?limit=0", "?limit=many", "?after_id=no", "?before_id=no", "?limit=1&limit=2", "?what=1"]
)
async def test_wrong_pages(agent: Agent, browser: Browser, query: str) -> None:
    assert (await listed(browser, query)).status == 400
    assert (await listed(browser, f"?after_id={KEY}&before_id={KEY}")).status == 400
