"""Documents and conversations: their part of the table of our own API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.front import Route
from samovar_agent.http.samovar.collections import Collections
from samovar_agent.http.samovar.conversations import KeptConversations
from samovar_agent.http.samovar.documents import Documents
from samovar_agent.http.samovar.protocol_body import body_type
from samovar_protocol import replies, requests

if TYPE_CHECKING:
    from samovar_agent.services import Services


def document_routes(services: Services) -> list[Route]:
    """Collections, documents, conversations."""
    return [*_collections(services), *_documents(services), *_conversations(services)]


def _collections(services: Services) -> list[Route]:
    collections = Collections(services)
    path, one = "/api/samovar/collections", "/api/samovar/collections/{collection:[^/]+}"
    return [
        Route(
            "GET",
            path,
            collections.ls,
            "documents",
            about="Collections of documents, by name.",
            reply=replies.DocsCollectionsReply,
        ),
        Route(
            "POST",
            path,
            collections.create,
            "documents",
            about="Make an empty collection.",
            request=body_type(requests.DocsCreate),
            reply=replies.DocsCollectionReply,
        ),
        Route(
            "GET",
            one,
            collections.find,
            "documents",
            about="One collection.",
            reply=replies.DocsCollectionReply,
        ),
        Route(
            "PATCH",
            one,
            collections.change,
            "documents",
            about="Give a collection another name or embedding model.",
            request=body_type(requests.DocsChange, "collection"),
            reply=replies.DocsCollectionReply,
        ),
        Route(
            "DELETE",
            one,
            collections.delete,
            "documents",
            about="Remove a collection with all that was read; files stay where they are.",
            reply=replies.DocsRmReply,
        ),
        Route(
            "GET",
            f"{one}/documents",
            collections.ls_documents,
            "documents",
            about="Documents of a collection and where they come from, in portions.",
            request=body_type(requests.DocsLs, "collection"),
            reply=replies.DocsLsReply,
        ),
        Route(
            "POST",
            f"{one}/documents",
            collections.add,
            "documents",
            about="Take files, folders or a text into a collection; it is made where there is none.",
            request=body_type(requests.DocsAdd, "collection", streamed=True),
            reply=replies.DocsAddReply,
            stream="text/event-stream",
        ),
        Route(
            "DELETE",
            f"{one}/documents",
            collections.rm,
            "documents",
            about="Remove documents from a collection, by path or id; files stay where they are.",
            request=body_type(requests.DocsRm, "collection"),
            reply=replies.DocsRmReply,
        ),
        Route(
            "DELETE",
            f"{one}/documents/{{document}}",
            collections.rm_one,
            "documents",
            about="Remove one document from a collection.",
            reply=replies.DocsRmReply,
        ),
        Route(
            "POST",
            f"{one}/watch",
            collections.watch,
            "documents",
            about="Keep a source in step with its folder or file, or no longer.",
            request=body_type(requests.DocsWatch, "collection"),
            reply=replies.DocsWatchReply,
        ),
        Route(
            "POST",
            f"{one}/export",
            collections.export,
            "documents",
            about="Write a collection, with its texts and vectors, to a file of this machine.",
            request=body_type(requests.DocsExport, "collection", streamed=True),
            reply=replies.DocsExportReply,
            stream="text/event-stream",
        ),
    ]


def _documents(services: Services) -> list[Route]:
    documents = Documents(services)
    path = "/api/samovar/documents"
    return [
        Route(
            "GET",
            path,
            documents.ls,
            "documents",
            about="Documents of all collections and where they come from, in portions.",
            request=body_type(requests.DocsLs),
            reply=replies.DocsLsReply,
        ),
        Route(
            "GET",
            f"{path}/{{document}}/text",
            documents.text,
            "documents",
            about="What a document says, or a part of it.",
            request=body_type(requests.DocsText, "document"),
            reply=replies.DocsTextReply,
        ),
        Route(
            "POST",
            f"{path}/retry",
            documents.retry,
            "documents",
            about="Read again what failed.",
            request=body_type(requests.DocsRetry),
            reply=replies.DocsRetryReply,
        ),
        Route(
            "POST",
            f"{path}/search",
            documents.search,
            "documents",
            about="Passages that fit a query, by words and by meaning, the best first.",
            request=body_type(requests.DocsSearch, streamed=True),
            reply=replies.DocsSearchReply,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            f"{path}/ask",
            documents.ask,
            ("documents", "chat"),  # a model answers, as in a chat
            about="An answer from documents, with citations.",
            request=body_type(requests.DocsAsk, streamed=True),
            reply=replies.DocsAskReply,
            stream="text/event-stream",
        ),
        Route(
            "POST",
            f"{path}/import",
            documents.import_,
            "documents",
            about="Take in a collection from a file of this machine.",
            request=body_type(requests.DocsImport, streamed=True),
            reply=replies.DocsCollectionReply,
            stream="text/event-stream",
        ),
    ]


def _conversations(services: Services) -> list[Route]:
    conversations = KeptConversations(services)
    path, one = "/api/samovar/conversations", "/api/samovar/conversations/{conversation}"
    return [
        Route(
            "GET",
            path,
            conversations.ls,
            "documents",
            about="Conversations that are kept, the last changed first.",
            request=body_type(requests.Conversations),
            reply=replies.ConversationsReply,
        ),
        Route(
            "POST",
            path,
            conversations.create,
            "documents",
            about="Begin a conversation that is kept.",
            request=body_type(requests.ConversationCreate),
            reply=replies.ConversationReply,
        ),
        Route(
            "GET",
            one,
            conversations.show,
            "documents",
            about="A conversation with its messages.",
            reply=replies.ConversationReply,
        ),
        Route(
            "PATCH",
            one,
            conversations.change,
            "documents",
            about="Give a conversation another title, or other collections to ask.",
            request=body_type(requests.ConversationChange, "id"),
            reply=replies.ConversationReply,
        ),
        Route(
            "DELETE",
            one,
            conversations.delete,
            "documents",
            about="Remove a conversation with its messages.",
            reply=replies.ConversationDeleteReply,
        ),
    ]
