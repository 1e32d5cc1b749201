"""What a token must allow for which route, written down a second time, and asked of every route there is."""

import pytest

from samovar_protocol.values import Scope
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.failure_shapes import check_failure
from tests.samovar_agent.http.fake_documents import FakeDocuments
from tests.samovar_agent.http.test_guard import ROUTES, UNKNOWN

ALL: tuple[Scope, ...] = ("chat", "embed", "models", "documents")
CHAT, EMBED, MODELS, DOCUMENTS, ADMIN = (frozenset({scope}) for scope in (*ALL, "admin"))
ANY_TOKEN: frozenset[str] = frozenset()

NOTHING = {"/health", "/openapi.json", "/", "/api/version", "/lmstudio-greeting", "/lms-status"}
BELOW: dict[str, frozenset[str]] = {
    "/ready": ANY_TOKEN,
    "/metrics": ANY_TOKEN,
    "/v1/models": ANY_TOKEN,
    "/v1/chat/completions": CHAT,
    "/v1/completions": CHAT,
    "/v1/responses": CHAT,
    "/v1/messages": CHAT,
    "/v1/embeddings": EMBED,
    "/v1/rerank": EMBED,
    "/v1/files": DOCUMENTS,
    "/v1/vector_stores": DOCUMENTS,
    "/infill": CHAT,
    "/tokenize": CHAT,
    "/detokenize": CHAT,
    "/apply-template": CHAT,
    "/api/chat": CHAT,
    "/api/generate": CHAT,
    "/api/embed": EMBED,
    "/api/tags": ANY_TOKEN,
    "/api/ps": ANY_TOKEN,
    "/api/show": ANY_TOKEN,
    "/api/": MODELS,
    "/api/v0/models": ANY_TOKEN,
    "/api/v0/": CHAT,
    "/api/v0/embeddings": EMBED,
    "/api/v1/chat": CHAT,
    "/api/v1/models/": MODELS,
    "/api/v1/models": ANY_TOKEN,
    "/api/samovar/": ADMIN,
    "/api/samovar/events": ANY_TOKEN,
    "/api/samovar/status": MODELS,
    "/api/samovar/models": MODELS,
    "/api/samovar/instances": MODELS,
    "/api/samovar/search": MODELS,
    "/api/samovar/catalog": MODELS,
    "/api/samovar/downloads": MODELS,
    "/api/samovar/collections": DOCUMENTS,
    "/api/samovar/documents": DOCUMENTS,
    "/api/samovar/documents/ask": DOCUMENTS | CHAT,
    "/api/samovar/conversations": DOCUMENTS,
}
"""By the beginnings of paths; the longest counts."""


def needed(method: str, path: str) -> frozenset[str]:
    if (method, path) == ("GET", "/api/samovar/network"):
        return ANY_TOKEN
    return BELOW[max((begin for begin in BELOW if path.startswith(begin)), key=len)]


@pytest.fixture(autouse=True)
def token_needed(agent: Agent, documents: FakeDocuments) -> None:
    agent.settings.set("server.require_token", True)


async def status(agent: Agent, browser: Browser, method: str, path: str, *scopes: Scope) -> int:
    """Of an answer to a token with these scopes; a stream is not read."""
    headers = {"x-api-key": agent.tokens.add("-".join(scopes), *scopes)}
    async with browser.session.request(method, agent.url + path, json=_body(method), headers=headers) as response:
        return response.status


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route not in UNKNOWN])
async def test_every_route_asks_for_its_scope(agent: Agent, browser: Browser, method: str, path: str) -> None:
    answer = await browser.ask(method, path, json=_body(method))
    if path in NOTHING:
        assert answer.status not in (401, 403)
        return
    check_failure(path, answer, 401, "unauthorized")
    scopes = needed(method, path)
    for scope in scopes:
        others = [other for other in ALL if other != scope]
        assert await status(agent, browser, method, path, *others) == 403
    everything: tuple[Scope, ...] = (*ALL, "admin")
    fitting = [scope for scope in everything if scope in scopes] or list(ALL[:1])
    assert await status(agent, browser, method, path, *fitting) not in (401, 403)
    assert await status(agent, browser, method, path, "admin") not in (401, 403)


def _body(method: str) -> dict[str, str] | None:
    return None if method == "GET" else {}
