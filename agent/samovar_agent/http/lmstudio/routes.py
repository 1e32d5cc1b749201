"""LM Studio's own API, versions 0 and 1: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.lmstudio import v0_models, v1_models
from samovar_agent.http.lmstudio.probes import greeting, status
from samovar_agent.http.lmstudio.v0_replies import Replies
from samovar_agent.http.lmstudio.v1_chat import Chat
from samovar_agent.http.lmstudio.v1_downloads import Downloads
from samovar_agent.http.lmstudio.v1_load import Loading

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Models, replies, and what is in memory. As with OpenAI's, the list of models needs no scope."""
    models, replies = v0_models.Models(services), Replies(services)
    loading, downloads = Loading(services), Downloads(services)
    return [
        Route("GET", "/lmstudio-greeting", greeting, "nothing"),
        Route("GET", "/lms-status", status, "nothing"),
        Route("GET", "/api/v0/models", models.ls, "any token"),
        Route("GET", "/api/v0/models/{id:.+}", models.find, "any token"),
        Route("POST", "/api/v0/chat/completions", replies.chat, "chat"),
        Route("POST", "/api/v0/completions", replies.completions, "chat"),
        Route("POST", "/api/v0/embeddings", replies.embeddings, "embed"),
        Route("GET", "/api/v1/models", v1_models.Models(services).ls, "any token"),
        Route("POST", "/api/v1/chat", Chat(services).create, "chat"),
        Route("POST", "/api/v1/models/load", loading.load, "models"),
        Route("POST", "/api/v1/models/unload", loading.unload, "models"),
        Route("POST", "/api/v1/models/download", downloads.create, "models"),
        Route("GET", "/api/v1/models/download/status/{job}", downloads.find, "models"),
    ]
