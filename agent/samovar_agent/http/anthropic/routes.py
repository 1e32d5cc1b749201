"""Anthropic's API: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.anthropic.messages import Messages
from samovar_agent.http.anthropic.models import Models
from samovar_agent.http.front import Route

if TYPE_CHECKING:
    from samovar_agent.services import Services

HEADER = "anthropic-version"
"""Says that a request means this API, where another one has the same path."""


def routes(services: Services) -> list[Route]:
    """Replies, the length of prompts, and models."""
    messages, models = Messages(services), Models(services)
    return [
        Route("POST", "/v1/messages", messages.create, "chat"),
        Route("POST", "/v1/messages/count_tokens", messages.count_tokens, "chat"),
        Route("GET", "/v1/models", models.ls, "any token"),
        Route("GET", "/v1/models/{id:.+}", models.find, "any token"),
    ]
