"""Our own API, what the control socket does: its part of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.samovar.collections import Collections
from samovar_agent.http.samovar.conversations import KeptConversations
from samovar_agent.http.samovar.documents import Documents
from samovar_agent.http.samovar.downloads import Downloads

if TYPE_CHECKING:
    from samovar_agent.services import Services


def routes(services: Services) -> list[Route]:
    """Downloads, documents and conversations."""
    downloads = Downloads(services)
    return [
        Route("GET", "/api/samovar/downloads", downloads.ls, "models"),
        Route("POST", "/api/samovar/downloads", downloads.create, "models"),
        Route("POST", "/api/samovar/downloads/{id}/pause", downloads.pause, "models"),
        Route("POST", "/api/samovar/downloads/{id}/resume", downloads.resume, "models"),
        Route("POST", "/api/samovar/downloads/{id}/cancel", downloads.cancel, "models"),
        *_documents(services),
    ]


def _documents(services: Services) -> list[Route]:
    """Our own: what the control socket does with documents and conversations."""
    collections, documents, conversations = Collections(services), Documents(services), KeptConversations(services)
    collection = "/api/samovar/collections/{collection:[^/]+}"
    conversation = "/api/samovar/conversations/{conversation}"
    return [
        Route("GET", "/api/samovar/collections", collections.ls, "documents"),
        Route("POST", "/api/samovar/collections", collections.create, "documents"),
        Route("GET", collection, collections.find, "documents"),
        Route("PATCH", collection, collections.change, "documents"),
        Route("DELETE", collection, collections.delete, "documents"),
        Route("GET", f"{collection}/documents", collections.ls_documents, "documents"),
        Route("POST", f"{collection}/documents", collections.add, "documents"),
        Route("DELETE", f"{collection}/documents", collections.rm, "documents"),
        Route("DELETE", f"{collection}/documents/{{document}}", collections.rm_one, "documents"),
        Route("POST", f"{collection}/watch", collections.watch, "documents"),
        Route("POST", f"{collection}/export", collections.export, "documents"),
        Route("GET", "/api/samovar/documents", documents.ls, "documents"),
        Route("GET", "/api/samovar/documents/{document}/text", documents.text, "documents"),
        Route("POST", "/api/samovar/documents/retry", documents.retry, "documents"),
        Route("POST", "/api/samovar/documents/search", documents.search, "documents"),
        # A model answers, as in a chat.
        Route("POST", "/api/samovar/documents/ask", documents.ask, ("documents", "chat")),
        Route("POST", "/api/samovar/documents/import", documents.import_, "documents"),
        Route("GET", "/api/samovar/conversations", conversations.ls, "documents"),
        Route("POST", "/api/samovar/conversations", conversations.create, "documents"),
        Route("GET", conversation, conversations.show, "documents"),
        Route("PATCH", conversation, conversations.rename, "documents"),
        Route("DELETE", conversation, conversations.delete, "documents"),
    ]
