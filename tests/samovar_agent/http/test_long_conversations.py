"""10,000 messages cost nobody else anything, in any dialect: they are looked at beside the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from samovar_agent.http.anthropic import request as anthropic
from samovar_agent.http.ollama import chat as ollama
from samovar_agent.http.openai import chat_request as openai
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.whole_agent import WholeAgent
from tests.samovar_agent.http.whole_agent import whole as whole

SAID = {"role": "user", "content": "Hello there, and a few words more, so that it is long."}
ROUTES: list[tuple[str, Any, str]] = [
    ("/v1/chat/completions", openai, "conversation"),
    ("/api/v0/chat/completions", openai, "conversation"),
    ("/v1/messages", anthropic, "conversation"),
    ("/v1/messages/count_tokens", anthropic, "conversation"),
    ("/api/chat", ollama, "conversation"),
]


@pytest.mark.parametrize(("path", "module", "name"), ROUTES, ids=[path for path, _, _ in ROUTES])
@pytest.mark.parametrize(("messages", "beside"), [(1, False), (10_000, True)])
async def test_in_a_thread_where_there_are_many(
    whole: WholeAgent,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    module: Any,
    name: str,
    messages: int,
    beside: bool,
) -> None:
    function: Callable[..., Any] = getattr(module, name)
    seen: list[bool] = []

    def watched(*arguments: Any, **named: Any) -> Any:
        seen.append(threading.current_thread() is not threading.main_thread())
        return function(*arguments, **named)

    monkeypatch.setattr(module, name, watched)
    body: dict[str, Any] = {"model": KEY, "messages": [SAID] * messages}
    if path == "/v1/messages":
        body["max_tokens"] = 5
    async with whole.session.post(f"{whole.url}{path}", json=body) as response:
        assert (response.status, set(seen)) == (200, {beside}), await response.text()
