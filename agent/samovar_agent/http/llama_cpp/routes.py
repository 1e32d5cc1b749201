"""llama.cpp's endpoints: their part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.llama_cpp.infill import FillIn
from samovar_agent.http.llama_cpp.infill_reply import Infilled
from samovar_agent.http.llama_cpp.infill_request import InfillRequest
from samovar_agent.http.llama_cpp.template import Prompt, Template
from samovar_agent.http.llama_cpp.tokens import Content, DetokenizeRequest, TokenizeRequest, TokenList, Tokens
from samovar_agent.http.openai.chat_request import ChatRequest

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Filling in, tokens, templates. What else its server has, other dialects here have under other names."""
    tokens = Tokens(services)
    return [
        Route(
            "POST",
            "/infill",
            FillIn(services).create,
            "chat",
            about="What belongs between two parts of a file, whole or as it is written.",
            request=InfillRequest,
            reply=Infilled,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/tokenize",
            tokens.tokenize,
            "chat",
            about="The tokens of a text.",
            request=TokenizeRequest,
            reply=TokenList,
        ),
        Route(
            "POST",
            "/detokenize",
            tokens.detokenize,
            "chat",
            about="The text of tokens.",
            request=DetokenizeRequest,
            reply=Content,
        ),
        Route(
            "POST",
            "/apply-template",
            Template(services).apply,
            "chat",
            about="The prompt that a conversation would become.",
            request=ChatRequest,
            reply=Prompt,
        ),
    ]
