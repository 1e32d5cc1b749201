"""Documents by how well they answer a query."""

from typing import Any

import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.http.conftest import KEY, Agent, Answer, Browser

DOCUMENTS = ["A kettle boils.", "A samovar keeps tea hot.", "Snow is cold."]


@pytest.fixture(autouse=True)
def scores(agent: Agent) -> None:
    agent.instances.scores = [0.25, 0.75, -3.0]


async def rerank(browser: Browser, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    body = {"model": KEY, "query": "What is a samovar?", "documents": DOCUMENTS, **body}
    return await browser.ask("POST", "/v1/rerank", json=body, headers=headers)


async def test_the_best_is_first(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Progress(stage="loading")]
    assert (await rerank(browser)).json() == {
        "object": "list",
        "model": KEY,
        "results": [
            {"index": 1, "relevance_score": 0.75},
            {"index": 0, "relevance_score": 0.25},
            {"index": 2, "relevance_score": -3.0},
        ],
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
    assert agent.instances.others == [(KEY, "What is a samovar?", DOCUMENTS, None)]


async def test_only_the_best_and_with_their_texts(agent: Agent, browser: Browser) -> None:
    documents = [DOCUMENTS[0], {"text": DOCUMENTS[1]}, DOCUMENTS[2]]
    answer = await rerank(browser, documents=documents, top_n=1, return_documents=True, user="me")
    result = {"index": 1, "relevance_score": 0.75, "document": {"text": DOCUMENTS[1]}}
    assert answer.json()["results"] == [result]
    assert agent.instances.others[0][2:] == (DOCUMENTS, 1)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": "x"}, "documents"),
        ({"documents": [5]}, "documents[0]"),
        ({"documents": [{"image": "x"}]}, "documents[0].image"),
        ({"documents": [{}]}, "documents[0].text"),
        ({"documents": ["x"] * 20_001}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": 1.5}, "top_n"),
        ({"return_documents": "yes"}, "return_documents"),
        ({"rank_fields": ["text"]}, "rank_fields"),
        ({"model": 5}, "model"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_wrong_is_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    answer = await rerank(browser, **body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert not agent.instances.others


async def test_a_failure_has_its_status(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [SamovarError(FailureCode.MODEL_UNSUPPORTED, "It compares nothing.")]
    answer = await rerank(browser)
    assert (answer.status, answer.error["code"]) == (422, "model_unsupported")


async def test_a_token_needs_the_scope(agent: Agent, browser: Browser) -> None:
    agent.settings.set("server.require_token", True)
    for scope, status in (("embed", 200), ("chat", 403)):
        secret = agent.tokens.add(scope, scope)  # type: ignore[arg-type]
        assert (await rerank(browser, headers={"Authorization": f"Bearer {secret}"})).status == status
