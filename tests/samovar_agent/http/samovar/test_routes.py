"""Everything that the control socket does can be asked over HTTP, too."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from samovar_agent.http.front import Route
from samovar_agent.http.samovar.routes import routes
from samovar_protocol import requests

ELSEWHERE = {
    requests.Hello: "/health",
    requests.Ping: "/health",
    requests.Chat: "/v1/chat/completions",
    requests.Embed: "/v1/embeddings",
    requests.Rerank: "/v1/rerank",
    requests.Cancel: "closing the connection",
    requests.ConversationRename: "conversation_change, which can do more",
}
"""What HTTP does otherwise."""

BY_HAND: dict[Any, tuple[str, str]] = {
    requests.Get: ("POST", "/api/samovar/downloads"),
    requests.DownloadLs: ("GET", "/api/samovar/downloads"),
    requests.DownloadPause: ("POST", "/api/samovar/downloads/{id}/pause"),
    requests.DownloadResume: ("POST", "/api/samovar/downloads/{id}/resume"),
    requests.DownloadCancel: ("POST", "/api/samovar/downloads/{id}/cancel"),
    requests.DocsCollections: ("GET", "/api/samovar/collections"),
    requests.DocsCreate: ("POST", "/api/samovar/collections"),
    requests.DocsChange: ("PATCH", "/api/samovar/collections/{collection}"),
    requests.DocsDelete: ("DELETE", "/api/samovar/collections/{collection}"),
    requests.DocsAdd: ("POST", "/api/samovar/collections/{collection}/documents"),
    requests.DocsLs: ("GET", "/api/samovar/collections/{collection}/documents"),
    requests.DocsRm: ("DELETE", "/api/samovar/collections/{collection}/documents"),
    requests.DocsWatch: ("POST", "/api/samovar/collections/{collection}/watch"),
    requests.DocsExport: ("POST", "/api/samovar/collections/{collection}/export"),
    requests.DocsRetry: ("POST", "/api/samovar/documents/retry"),
    requests.DocsText: ("GET", "/api/samovar/documents/{document}/text"),
    requests.DocsSearch: ("POST", "/api/samovar/documents/search"),
    requests.DocsAsk: ("POST", "/api/samovar/documents/ask"),
    requests.DocsImport: ("POST", "/api/samovar/documents/import"),
    requests.Conversations: ("GET", "/api/samovar/conversations"),
    requests.ConversationCreate: ("POST", "/api/samovar/conversations"),
    requests.ConversationShow: ("GET", "/api/samovar/conversations/{conversation}"),
    requests.ConversationChange: ("PATCH", "/api/samovar/conversations/{conversation}"),
    requests.ConversationDelete: ("DELETE", "/api/samovar/conversations/{conversation}"),
}
"""Routes with an endpoint of their own; the others name their request themselves."""


def table() -> list[Route]:
    nothing: Any = SimpleNamespace(store=None, documents=None, places=SimpleNamespace(data=Path()))
    return routes(nothing)


def test_no_request_of_the_protocol_is_forgotten() -> None:
    paths = {(route.method, re.sub(r":[^}]+", "", route.path)): route for route in table()}
    generic = {getattr(route.endpoint, "kind", None) for route in table()} - {None}
    assert set(BY_HAND.values()) <= set(paths)
    assert not (generic & set(BY_HAND)) and not ((generic | set(BY_HAND)) & set(ELSEWHERE))
    assert generic | set(BY_HAND) | set(ELSEWHERE) == set(get_args(requests.AnyRequest))


@pytest.mark.parametrize(("kind", "place"), BY_HAND.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_what_is_made_by_hand_answers_as_the_protocol_does(kind: Any, place: tuple[str, str]) -> None:
    route = next(one for one in table() if (one.method, re.sub(r":[^}]+", "", one.path)) == place)
    assert route.reply is requests.reply_of(kind)
    assert bool(route.stream) == issubclass(kind, requests.StreamRequest)


def test_what_changes_the_agent_needs_its_owner() -> None:
    for route in table():
        if any(word in route.path for word in ("tokens", "settings", "down", "doctor", "journal")):
            wanted = "models" if "downloads" in route.path else "admin"
            assert route.needs == wanted, route.path
        if route.path == "/api/samovar/network":
            assert route.needs == ("any token" if route.method == "GET" else "admin")
        if "/models" in route.path or "/catalog" in route.path:
            assert route.needs == "models", route.path
