"""A token that is revoked ends the streams that it opened, whichever dialect they speak; with real tokens."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from samovar_agent.http.open_work import OpenWork
from samovar_agent.http.request_counts import RequestCounts
from samovar_agent.http.routes import routes
from samovar_protocol.values import Text
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.whole_agent import WholeAgent
from tests.samovar_agent.http.whole_agent import whole as whole

ASKED = {"messages": [{"role": "user", "content": "Hello?"}]}
STREAMS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": ASKED,
    "/v1/completions": {"prompt": "Once"},
    "/v1/responses": {"input": "Hello?"},
    "/v1/messages": {**ASKED, "max_tokens": 9},
    "/api/chat": ASKED,
    "/api/generate": {"prompt": "Once"},
    "/api/v0/chat/completions": ASKED,
    "/api/v0/completions": {"prompt": "Once"},
    "/api/v1/chat": {"input": "Hello?"},
    "/infill": {"input_prefix": "On", "input_suffix": "ce"},
}
"""Of each dialect all that writes text as a stream."""


def test_all_streams_of_text_are_in_the_list() -> None:
    nothing: Any = SimpleNamespace(store=None, documents=None, places=SimpleNamespace(data=Path()))
    streaming = {route.path for route in routes(nothing, RequestCounts(), OpenWork()) if route.stream}
    others = {path for path in streaming if path.startswith("/api/samovar/")} | {"/api/pull"}
    assert streaming - others == set(STREAMS), "these are missing here, or are there no more"


@pytest.mark.parametrize("path", STREAMS)
async def test_whatever_streams_ends_with_its_token(whole: WholeAgent, path: str) -> None:
    instances: Any = whole.services.instances
    instances.items = [Text(text="Once"), asyncio.Event()]
    tokens = whole.services.store.tokens
    _, secret = await tokens.create("editor", ["chat"])
    body = {"model": KEY, "stream": True, **STREAMS[path]}
    url, headers = whole.url + path, {"Authorization": f"Bearer {secret}"}
    async with asyncio.timeout(20), whole.session.post(url, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        await response.content.readuntil(b"Once")
        await tokens.revoke("editor")
        said = await response.read()
    assert b"was revoked while the reply was under way" in said
    assert b"[DONE]" not in said
    assert instances.closed.is_set()
