"""OpenAI's API: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.documents.uploaded_files import UploadedFiles
from samovar_agent.documents.vector_stores import VectorStores
from samovar_agent.http.front import Route
from samovar_agent.http.openai.chat import Chat
from samovar_agent.http.openai.completions import Completions
from samovar_agent.http.openai.embeddings import Embeddings
from samovar_agent.http.openai.files import Files
from samovar_agent.http.openai.input_tokens import CountInput
from samovar_agent.http.openai.models import Models
from samovar_agent.http.openai.rerank import Rerank
from samovar_agent.http.openai.responses import Responses
from samovar_agent.http.openai.vector_store_files import StoreFiles
from samovar_agent.http.openai.vector_store_search import StoreSearch
from samovar_agent.http.openai.vector_stores import Stores

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Models, replies, vectors, and what clients upload."""
    models, responses = Models(services), Responses(services)
    return [
        # Editors list models with the token they chat with, so reading the list needs no scope.
        Route("GET", "/v1/models", models.ls, "any token"),
        Route("GET", "/v1/models/{id:.+}", models.find, "any token"),
        Route("POST", "/v1/chat/completions", Chat(services).create, "chat"),
        Route("POST", "/v1/completions", Completions(services).create, "chat"),
        # With file_search in its body, a request needs the scope "documents" too.
        Route("POST", "/v1/responses", responses.create, "chat"),
        Route("POST", "/v1/responses/input_tokens", CountInput(services).create, "chat"),
        Route("GET", "/v1/responses/{id}", responses.find, "chat"),
        Route("DELETE", "/v1/responses/{id}", responses.delete, "chat"),
        Route("GET", "/v1/responses/{id}/input_items", responses.input_items, "chat"),
        Route("POST", "/v1/responses/{id}/cancel", responses.cancel, "chat"),
        Route("POST", "/v1/embeddings", Embeddings(services).create, "embed"),
        Route("POST", "/v1/rerank", Rerank(services).create, "embed"),
        *_uploads(services),
    ]


def _uploads(services: Services) -> list[Route]:
    """OpenAI's files and vector stores."""
    uploaded = UploadedFiles(services.store, services.places.data / "files")
    vector_stores = VectorStores(services.store, services.documents, uploaded)
    files, stores = Files(services, uploaded, vector_stores), Stores(services, vector_stores)
    attached, search = StoreFiles(services, vector_stores), StoreSearch(services)
    store = "/v1/vector_stores/{store}"
    return [
        Route("POST", "/v1/files", files.create, "documents", body="form"),
        Route("GET", "/v1/files", files.ls, "documents"),
        Route("GET", "/v1/files/{file}", files.find, "documents"),
        Route("DELETE", "/v1/files/{file}", files.delete, "documents"),
        Route("GET", "/v1/files/{file}/content", files.content, "documents"),
        Route("POST", "/v1/vector_stores", stores.create, "documents"),
        Route("GET", "/v1/vector_stores", stores.ls, "documents"),
        Route("GET", store, stores.find, "documents"),
        Route("POST", store, stores.change, "documents"),
        Route("DELETE", store, stores.delete, "documents"),
        Route("POST", f"{store}/search", search.create, "documents"),
        Route("POST", f"{store}/files", attached.create, "documents"),
        Route("GET", f"{store}/files", attached.ls, "documents"),
        Route("GET", f"{store}/files/{{file}}", attached.find, "documents"),
        Route("POST", f"{store}/files/{{file}}", attached.change, "documents"),
        Route("DELETE", f"{store}/files/{{file}}", attached.delete, "documents"),
        Route("GET", f"{store}/files/{{file}}/content", attached.content, "documents"),
        Route("POST", f"{store}/file_batches", attached.create_batch, "documents"),
        Route("GET", f"{store}/file_batches/{{batch}}", attached.find_batch, "documents"),
        Route("POST", f"{store}/file_batches/{{batch}}/cancel", attached.cancel_batch, "documents"),
        Route("GET", f"{store}/file_batches/{{batch}}/files", attached.ls_batch, "documents"),
    ]
