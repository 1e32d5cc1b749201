"""llama.cpp's endpoints: their part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.llama_cpp.infill import FillIn
from samovar_agent.http.llama_cpp.template import Template
from samovar_agent.http.llama_cpp.tokens import Tokens

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Filling in, tokens, templates. What else its server has, other dialects here have under other names."""
    tokens = Tokens(services)
    return [
        Route("POST", "/infill", FillIn(services).create, "chat"),
        Route("POST", "/tokenize", tokens.tokenize, "chat"),
        Route("POST", "/detokenize", tokens.detokenize, "chat"),
        Route("POST", "/apply-template", Template(services).apply, "chat"),
    ]
