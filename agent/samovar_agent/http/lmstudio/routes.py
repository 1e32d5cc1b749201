"""LM Studio's own API, versions 0 and 1: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.lmstudio import v0_models, v1_models
from samovar_agent.http.lmstudio.probes import Greeting, Status, greeting, status
from samovar_agent.http.lmstudio.v0_replies import Replies
from samovar_agent.http.lmstudio.v0_reply_types import ChatCompletion, EmbeddingList, TextCompletion
from samovar_agent.http.lmstudio.v1_chat import Chat
from samovar_agent.http.lmstudio.v1_chat_reply import ChatResult
from samovar_agent.http.lmstudio.v1_chat_request import ChatRequest as ChatRequestV1
from samovar_agent.http.lmstudio.v1_downloads import DownloadJob, DownloadRequest, Downloads
from samovar_agent.http.lmstudio.v1_load import LoadedModel, Loading, LoadRequest, Unloaded, UnloadRequest
from samovar_agent.http.openai.chat_request import ChatRequest
from samovar_agent.http.openai.completion_request import CompletionRequest
from samovar_agent.http.openai.embeddings import EmbeddingsRequest
from samovar_agent.http.openai.model_names import NAMING_FAILS

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Models, replies, and what is in memory. As with OpenAI's, the list of models needs no scope."""
    return [*_probes(), *_version_0(services), *_version_1(services)]


def _probes() -> list[Route]:
    return [
        Route(
            "GET",
            "/lmstudio-greeting",
            greeting,
            "nothing",
            about="That somebody here speaks LM Studio's API.",
            reply=Greeting,
        ),
        Route("GET", "/lms-status", status, "nothing", about="Who speaks LM Studio's API here.", reply=Status),
    ]


def _version_0(services: Services) -> list[Route]:
    models, replies = v0_models.Models(services), Replies(services)
    return [
        Route(
            "GET",
            "/api/v0/models",
            models.ls,
            "any token",
            about="Models on this machine, and whether they are in memory.",
            reply=v0_models.ModelList,
        ),
        Route(
            "GET",
            "/api/v0/models/{id:.+}",
            models.find,
            "any token",
            about="One model, under any of its names.",
            reply=v0_models.ModelEntry,
            fails=NAMING_FAILS,
        ),
        Route(
            "POST",
            "/api/v0/chat/completions",
            replies.chat,
            "chat",
            about="A conversation's next turn, whole or as it is written, with how it came about.",
            request=ChatRequest,
            reply=ChatCompletion,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/api/v0/completions",
            replies.completions,
            "chat",
            about="Texts that go on, whole or as they are written, with how they came about.",
            request=CompletionRequest,
            reply=TextCompletion,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/api/v0/embeddings",
            replies.embeddings,
            "embed",
            about="Vectors of texts, with how they came about.",
            request=EmbeddingsRequest,
            reply=EmbeddingList,
        ),
    ]


def _version_1(services: Services) -> list[Route]:
    loading, downloads = Loading(services), Downloads(services)
    return [
        Route(
            "GET",
            "/api/v1/models",
            v1_models.Models(services).ls,
            "any token",
            about="Models on this machine, what they can do, and their instances in memory.",
            reply=v1_models.ModelList,
        ),
        Route(
            "POST",
            "/api/v1/chat",
            Chat(services).create,
            "chat",
            about="The next turn of a conversation that is kept here, whole or as it is written.",
            request=ChatRequestV1,
            reply=ChatResult,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            "/api/v1/models/load",
            loading.load,
            "models",
            about="Bring a model into memory.",
            request=LoadRequest,
            reply=LoadedModel,
        ),
        Route(
            "POST",
            "/api/v1/models/unload",
            loading.unload,
            "models",
            about="Take an instance out of memory.",
            request=UnloadRequest,
            reply=Unloaded,
        ),
        Route(
            "POST",
            "/api/v1/models/download",
            downloads.create,
            "models",
            about="Begin a download, or go on with it.",
            request=DownloadRequest,
            reply=DownloadJob,
        ),
        Route(
            "GET",
            "/api/v1/models/download/status/{job}",
            downloads.find,
            "models",
            about="How a download is.",
            reply=DownloadJob,
        ),
    ]
