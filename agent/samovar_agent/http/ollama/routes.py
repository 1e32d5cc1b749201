"""Ollama's API: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.ollama import greeting, refused
from samovar_agent.http.ollama.changes import Changes
from samovar_agent.http.ollama.chat import Chat
from samovar_agent.http.ollama.embed import Embed
from samovar_agent.http.ollama.generate import Generate
from samovar_agent.http.ollama.listing import Listing
from samovar_agent.http.ollama.pull import Pull
from samovar_agent.http.ollama.show import Show

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Replies, vectors, models, and what is refused."""
    embed, listing, changes = Embed(services), Listing(services), Changes(services)
    blob = "/api/blobs/{digest}"
    return [
        Route("GET", "/", greeting.root, "nothing"),
        Route("GET", "/api/version", greeting.version, "nothing"),
        Route("POST", "/api/chat", Chat(services).create, "chat"),
        Route("POST", "/api/generate", Generate(services).create, "chat"),
        Route("POST", "/api/embed", embed.create, "embed"),
        Route("POST", "/api/embeddings", embed.create_one, "embed"),
        Route("GET", "/api/tags", listing.tags, "any token"),
        Route("GET", "/api/ps", listing.ps, "any token"),
        Route("POST", "/api/show", Show(services).find, "any token"),
        Route("POST", "/api/pull", Pull(services).create, "models"),
        Route("DELETE", "/api/delete", changes.delete, "models"),
        Route("POST", "/api/copy", changes.copy, "models"),
        Route("POST", "/api/create", refused.create, "models"),
        Route("POST", "/api/push", refused.push, "models"),
        Route("GET", blob, refused.find_blob, "models"),
        Route("POST", blob, refused.create_blob, "models"),
    ]
