"""Everything that the server answers: one table, a part of it in each dialect's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.health import health
from samovar_agent.http.llama_cpp.routes import routes as llama_cpp
from samovar_agent.http.lmstudio.routes import routes as lmstudio
from samovar_agent.http.ollama.routes import routes as ollama
from samovar_agent.http.openai.routes import routes as openai
from samovar_agent.http.samovar.routes import routes as samovar

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """The table. Another dialect is another folder and its line here, and in `dialects.py` for its errors."""
    return [
        Route("GET", "/health", health, "nothing"),
        *openai(services),
        *ollama(services),
        *llama_cpp(services),
        *lmstudio(services),
        *samovar(services),
    ]
