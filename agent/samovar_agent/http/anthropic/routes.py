"""Anthropic's API: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.anthropic.messages import Messages, PromptLength
from samovar_agent.http.anthropic.models import ListQuery, ModelEntry, ModelList, Models
from samovar_agent.http.anthropic.reply import MessageHead
from samovar_agent.http.anthropic.request import MessagesRequest, PromptRequest
from samovar_agent.http.front import Route
from samovar_agent.http.openai.model_names import NAMING_FAILS

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Replies, the length of prompts, and models."""
    messages, models = Messages(services), Models(services)
    return [
        Route(
            "POST",
            "/v1/messages",
            messages.create,
            "chat",
            about="A conversation's next turn, whole or as it is written.",
            request=MessagesRequest,
            reply=MessageHead,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/v1/messages/count_tokens",
            messages.count_tokens,
            "chat",
            about="How long the prompt of a conversation is.",
            request=PromptRequest,
            reply=PromptLength,
        ),
        Route(
            "GET",
            "/v1/models",
            models.ls,
            "any token",
            about="What a request may name, in pages and in Anthropic's shape.",
            request=ListQuery,
            reply=ModelList,
        ),
        Route(
            "GET",
            "/v1/models/{id:.+}",
            models.find,
            "any token",
            about="One model, in Anthropic's shape.",
            reply=ModelEntry,
            fails=NAMING_FAILS,
        ),
    ]
