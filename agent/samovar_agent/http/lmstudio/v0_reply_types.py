"""Whole replies of version 0: OpenAI's fields, and the further ones, of which `stats` has another meaning there."""

from __future__ import annotations

from typing import Literal

from samovar_agent.http.lmstudio.v0_accounting import Additions
from samovar_agent.http.openai.accounting import PromptUsage, Timings, Usage
from samovar_agent.http.openai.chat_reply import Choice
from samovar_agent.http.openai.completion_reply import TextChoice
from samovar_agent.http.openai.embeddings import Embedding


class ChatCompletion(Additions, frozen=True, kw_only=True):
    """Of a chat."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    samovar: Timings


class TextCompletion(Additions, frozen=True, kw_only=True):
    """Of texts that go on."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    samovar: Timings


class EmbeddingList(Additions, frozen=True, kw_only=True):
    """Of vectors."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: PromptUsage
