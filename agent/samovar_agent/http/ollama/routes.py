"""Ollama's API: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from samovar_agent.http.front import Empty, Route
from samovar_agent.http.ollama import greeting, refused
from samovar_agent.http.ollama.changes import Changes, CopyRequest
from samovar_agent.http.ollama.chat import Chat, ChatRequest
from samovar_agent.http.ollama.embed import (
    Embed,
    EmbeddingsRequest,
    EmbeddingsResponse,
    EmbedRequest,
    EmbedResponse,
)
from samovar_agent.http.ollama.generate import Generate, GenerateRequest
from samovar_agent.http.ollama.greeting import Version
from samovar_agent.http.ollama.listing import Listing, ModelList, RunningList
from samovar_agent.http.ollama.named import Named
from samovar_agent.http.ollama.pull import Pull, PullRequest, Status
from samovar_agent.http.ollama.reply_types import ChatResponse, GenerateResponse
from samovar_agent.http.ollama.show import Show, Shown, ShowRequest

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Replies, vectors, models, and what is refused."""
    return [*_greetings(), *_replies(services), *_models(services), *_refused()]


def _greetings() -> list[Route]:
    return [
        Route("GET", "/", greeting.root, "nothing", about="A sentence by which clients find the server.", reply=str),
        Route(
            "GET",
            "/api/version",
            greeting.version,
            "nothing",
            about="The release of Ollama whose interface this is, and ours.",
            reply=Version,
        ),
    ]


def _replies(services: Services) -> list[Route]:
    embed = Embed(services)
    return [
        Route(
            "POST",
            "/api/chat",
            Chat(services).create,
            "chat",
            about="A conversation's next turn, as it is written unless the body says otherwise; without messages, the "
            "model is loaded or unloaded.",
            request=ChatRequest,
            reply=ChatResponse,
            stream="application/x-ndjson",
        ),
        Route(
            "POST",
            "/api/generate",
            Generate(services).create,
            "chat",
            about="A reply to one prompt, as it is written unless the body says otherwise; without a prompt, the model "
            "is loaded or unloaded.",
            request=GenerateRequest,
            reply=GenerateResponse,
            stream="application/x-ndjson",
        ),
        Route(
            "POST",
            "/api/embed",
            embed.create,
            "embed",
            about="Vectors of texts.",
            request=EmbedRequest,
            reply=EmbedResponse,
        ),
        Route(
            "POST",
            "/api/embeddings",
            embed.create_one,
            "embed",
            about="One vector, the older way to ask for it.",
            request=EmbeddingsRequest,
            reply=EmbeddingsResponse,
        ),
    ]


def _models(services: Services) -> list[Route]:
    listing, changes = Listing(services), Changes(services)
    return [
        Route(
            "GET",
            "/api/tags",
            listing.tags,
            "any token",
            about="Models on this machine, and their names.",
            reply=ModelList,
        ),
        Route("GET", "/api/ps", listing.ps, "any token", about="Models in memory.", reply=RunningList),
        Route(
            "POST",
            "/api/show",
            Show(services).find,
            "any token",
            about="All that is known of one model.",
            request=ShowRequest,
            reply=Shown,
        ),
        Route(
            "POST",
            "/api/pull",
            Pull(services).create,
            "models",
            about="Download a model, told line by line unless the body says otherwise.",
            request=PullRequest,
            reply=Status,
            stream="application/x-ndjson",
        ),
        Route(
            "DELETE",
            "/api/delete",
            changes.delete,
            "models",
            about="Delete a model's files, or forget a further name of it.",
            request=Named,
            reply=Empty,
        ),
        Route(
            "POST",
            "/api/copy",
            changes.copy,
            "models",
            about="Give a model a further name.",
            request=CopyRequest,
            reply=Empty,
        ),
    ]


def _refused() -> list[Route]:
    blob = "/api/blobs/{digest}"
    return [
        Route(
            "POST",
            "/api/create",
            refused.create,
            "models",
            about="Refused: models are not made out of others here.",
            reply=NoReturn,
        ),
        Route(
            "POST",
            "/api/push",
            refused.push,
            "models",
            about="Refused: nothing is published.",
            reply=NoReturn,
        ),
        Route(
            "GET",
            blob,
            refused.find_blob,
            "models",
            about="Always a 404: nothing was uploaded.",
            reply=NoReturn,
        ),
        Route(
            "POST",
            blob,
            refused.create_blob,
            "models",
            about="Refused: files are imported from their path instead.",
            reply=NoReturn,
        ),
    ]
