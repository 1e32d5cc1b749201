"""Everything that the server answers, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.health import health
from samovar_agent.http.openai.chat import Chat
from samovar_agent.http.openai.embeddings import Embeddings
from samovar_agent.http.openai.models import Models
from samovar_agent.http.openai.rerank import Rerank
from samovar_agent.http.openai.responses import Responses
from samovar_agent.http.samovar.downloads import Downloads

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """The table. Another dialect is another file and its lines here."""
    models, downloads, responses = Models(services), Downloads(services), Responses(services)
    return [
        Route("GET", "/health", health, "nothing"),
        # Editors list models with the token they chat with, so reading the list needs no scope.
        Route("GET", "/v1/models", models.ls, "any token"),
        Route("GET", "/v1/models/{id:.+}", models.find, "any token"),
        Route("POST", "/v1/chat/completions", Chat(services).create, "chat"),
        # With file_search in its body, a request needs the scope "documents" too.
        Route("POST", "/v1/responses", responses.create, "chat"),
        Route("GET", "/v1/responses/{id}", responses.find, "chat"),
        Route("DELETE", "/v1/responses/{id}", responses.delete, "chat"),
        Route("GET", "/v1/responses/{id}/input_items", responses.input_items, "chat"),
        Route("POST", "/v1/responses/{id}/cancel", responses.cancel, "chat"),
        Route("POST", "/v1/embeddings", Embeddings(services).create, "embed"),
        Route("POST", "/v1/rerank", Rerank(services).create, "embed"),
        Route("GET", "/api/samovar/downloads", downloads.ls, "models"),
        Route("POST", "/api/samovar/downloads", downloads.create, "models"),
        Route("POST", "/api/samovar/downloads/{id}/pause", downloads.pause, "models"),
        Route("POST", "/api/samovar/downloads/{id}/resume", downloads.resume, "models"),
        Route("POST", "/api/samovar/downloads/{id}/cancel", downloads.cancel, "models"),
    ]
