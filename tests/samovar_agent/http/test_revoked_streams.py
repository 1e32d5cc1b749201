"""A token that is revoked or expires ends the streams that it opened, whichever they are; with real tokens."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from samovar_agent.http.open_work import OpenWork
from samovar_agent.http.request_counts import RequestCounts
from samovar_agent.http.routes import routes
from samovar_agent.store import tokens as tokens_module
from samovar_protocol.values import Progress, Scope, Text
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.whole_agent import WholeAgent
from tests.samovar_agent.http.whole_agent import whole as whole

ASKED = {"messages": [{"role": "user", "content": "Hello?"}]}
TEXTS: dict[str, dict[str, Any]] = {
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

WORK: dict[str, tuple[list[Scope], dict[str, Any]]] = {
    "/api/pull": (["models"], {"model": "a/b"}),
    "/api/samovar/downloads": (["models"], {"name": "a/b"}),
    "/api/samovar/models/load": (["models"], {"name": KEY}),
    "/api/samovar/documents/search": (["documents"], {"query": "tea", "collections": ["notes"]}),
    "/api/samovar/documents/ask": (["documents", "chat"], {"question": "Tea?", "collections": ["notes"]}),
    "/api/samovar/documents/import": (["documents"], {"path": "/tmp/notes.samovar"}),
    "/api/samovar/collections/notes/documents": (["documents"], {"paths": ["/tmp/tea.md"]}),
    "/api/samovar/collections/notes/export": (["documents"], {"path": "/tmp/notes.samovar"}),
}
"""Streams that tell how far something else is."""

STREAMS: dict[str, tuple[list[Scope], dict[str, Any]]] = {
    **{path: (["chat"], {"model": KEY, **body}) for path, body in TEXTS.items()},
    **WORK,
    "/api/samovar/events": (["models"], {}),
}
SAME_ENDPOINT = {"/api/samovar/models/import", "/api/samovar/models/verify"}
"""Answered as `load` is, by the same lines."""


class Held:
    """Whatever is slow in an agent says "Once" and then waits; `left` is how much of it was ended."""

    def __init__(self, whole: WholeAgent) -> None:
        services: Any = whole.services
        self._instances, self._downloads, self._documents = services.instances, services.downloads, services.documents
        self._events = services.events
        self._once, never = Progress(stage="Once", done=1), asyncio.Event()
        self._instances.items = [Text(text="Once"), never]
        self._instances.load = self._load
        for slow in (self._downloads, self._documents):
            slow.progress, slow.hold = [self._once], never
        self._loading_left = asyncio.Event()
        self._listeners = len(self._events._listeners)

    async def _load(self, name: str, *, on_progress: Any, **options: Any) -> None:
        on_progress(self._once)
        try:
            await asyncio.Event().wait()
        finally:
            self._loading_left.set()

    def left(self, path: str) -> bool:
        """Whether nobody works for that stream any more."""
        if path == "/api/samovar/events":
            return len(self._events._listeners) == self._listeners
        if path in TEXTS:
            return bool(self._instances.closed.is_set())
        if path == "/api/samovar/models/load":
            return self._loading_left.is_set()
        downloads = path in ("/api/pull", "/api/samovar/downloads")
        return bool((self._downloads if downloads else self._documents).left.is_set())


def test_all_streams_are_in_the_list() -> None:
    nothing: Any = SimpleNamespace(store=None, documents=None, places=SimpleNamespace(data=Path()))
    streaming = {route.path for route in routes(nothing, RequestCounts(), OpenWork()) if route.stream}
    named = {path.replace("{collection:[^/]+}", "notes") for path in streaming}
    assert named - SAME_ENDPOINT == set(STREAMS), "these are missing here, or are there no more"


@pytest.mark.parametrize("end", ["was revoked", "expired"])
@pytest.mark.parametrize("path", STREAMS)
async def test_whatever_streams_ends_with_its_token(
    whole: WholeAgent, path: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(whole)
    scopes, body = STREAMS[path]
    tokens = whole.services.store.tokens
    _, secret = await tokens.create("editor", scopes, lifetime_seconds=3600)
    method, first = ("GET", b"subscribed") if path == "/api/samovar/events" else ("POST", b"Once")
    asked = None if method == "GET" else {"stream": True, **body}
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        asyncio.timeout(20),
        whole.session.request(method, whole.url + path, json=asked, headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
        await response.content.readuntil(first)
        assert not held.left(path)
        if end == "expired":
            later = time.time() + 7200
            monkeypatch.setattr(tokens_module, "time", SimpleNamespace(time=lambda: later))
            await tokens.create("another", scopes)  # after which the clock is looked at
        else:
            await tokens.revoke("editor")
        said = await response.read()
    assert f"The API token 'editor' {end} while the reply was under way" in said.decode()
    assert b"[DONE]" not in said and b'"success"' not in said
    assert held.left(path)
