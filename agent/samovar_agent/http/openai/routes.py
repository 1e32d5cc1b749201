"""OpenAI's API: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from samovar_agent.http.front import Route
from samovar_agent.http.openai.chat import Chat
from samovar_agent.http.openai.chat_reply import Completion
from samovar_agent.http.openai.chat_request import ChatRequest
from samovar_agent.http.openai.completion_reply import TextCompletion
from samovar_agent.http.openai.completion_request import CompletionRequest
from samovar_agent.http.openai.completions import Completions
from samovar_agent.http.openai.embeddings import EmbeddingList, Embeddings, EmbeddingsRequest
from samovar_agent.http.openai.input_tokens import CountInput, InputTokens, InputTokensRequest
from samovar_agent.http.openai.model_names import NAMING_FAILS
from samovar_agent.http.openai.models import ModelEntry, ModelList, Models
from samovar_agent.http.openai.rerank import Ranking, Rerank, RerankRequest
from samovar_agent.http.openai.responses import Deleted, ItemList, Responses
from samovar_agent.http.openai.responses_query import InputItemsQuery, RetrieveQuery
from samovar_agent.http.openai.responses_reply import Response
from samovar_agent.http.openai.responses_request import ResponseRequest
from samovar_agent.http.openai.upload_routes import upload_routes

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Models, replies, vectors, and what clients upload."""
    return [*_models(services), *_responses(services), *upload_routes(services)]


def _models(services: Services) -> list[Route]:
    models = Models(services)
    return [
        # Editors list models with the token they chat with, so reading the list needs no scope.
        Route("GET", "/v1/models", models.ls, "any token", about="What a request may name.", reply=ModelList),
        Route(
            "GET",
            "/v1/models/{id:.+}",
            models.find,
            "any token",
            about="One model, under any of its names.",
            reply=ModelEntry,
            fails=NAMING_FAILS,
        ),
        Route(
            "POST",
            "/v1/chat/completions",
            Chat(services).create,
            "chat",
            about="A conversation's next turn, whole or as it is written.",
            request=ChatRequest,
            reply=Completion,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/v1/completions",
            Completions(services).create,
            "chat",
            about="Texts that go on, whole or as they are written.",
            request=CompletionRequest,
            reply=TextCompletion,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/v1/embeddings",
            Embeddings(services).create,
            "embed",
            about="Vectors of texts.",
            request=EmbeddingsRequest,
            reply=EmbeddingList,
        ),
        Route(
            "POST",
            "/v1/rerank",
            Rerank(services).create,
            "embed",
            about="Documents by how well they answer a query.",
            request=RerankRequest,
            reply=Ranking,
        ),
    ]


def _responses(services: Services) -> list[Route]:
    responses = Responses(services)
    return [
        Route(
            "POST",
            "/v1/responses",
            responses.create,
            "chat",  # with file_search in its body, a request needs the scope "documents" too
            about="A response, stored or not, whole or as it is written.",
            request=ResponseRequest,
            reply=Response,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/v1/responses/input_tokens",
            CountInput(services).create,
            "chat",
            about="How long the prompt of a response would be, without writing one.",
            request=InputTokensRequest,
            reply=InputTokens,
        ),
        Route(
            "POST",
            "/v1/responses/compact",
            responses.compact,
            "chat",
            about="Refused: conversations are not compacted.",
            reply=NoReturn,
        ),
        Route(
            "GET",
            "/v1/responses/{id}",
            responses.find,
            "chat",
            about="A response that is kept.",
            request=RetrieveQuery,
            reply=Response,
        ),
        Route(
            "DELETE",
            "/v1/responses/{id}",
            responses.delete,
            "chat",
            about="Forget a response.",
            reply=Deleted,
        ),
        Route(
            "GET",
            "/v1/responses/{id}/input_items",
            responses.input_items,
            "chat",
            about="What went into a response, in portions.",
            request=InputItemsQuery,
            reply=ItemList,
        ),
        Route(
            "POST",
            "/v1/responses/{id}/cancel",
            responses.cancel,
            "chat",
            about="Refused: no response is made in the background.",
            reply=Response,
        ),
    ]
