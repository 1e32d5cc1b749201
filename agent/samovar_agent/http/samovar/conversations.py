"""`/api/samovar/conversations`: conversations that are kept, for every client the same.

    POST /api/samovar/conversations         {"title": "Tea", "collections": ["notes"]}
    GET  /api/samovar/conversations/7       with its messages; ask on with `"conversation": 7` in documents/ask

What they take and answer is the control protocol's `conversations`, `conversation_create` and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from samovar_agent.http.errors import bad_request
from samovar_agent.http.open_work import Job
from samovar_agent.http.query import find_number
from samovar_agent.http.samovar.collections import response
from samovar_agent.http.samovar.protocol_body import read_parameters, read_request
from samovar_protocol.replies import ConversationDeleteReply, ConversationReply, ConversationsReply
from samovar_protocol.requests import (
    ConversationChange,
    ConversationCreate,
    ConversationDelete,
    Conversations,
    ConversationShow,
)

if TYPE_CHECKING:
    from samovar_agent.services import Services


class KeptConversations:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """The last changed first."""
        asked = read_parameters(request, Conversations)
        return response(ConversationsReply(conversations=await self._services.conversations.ls(asked.limit)))

    async def show(self, request: web.Request, job: Job) -> web.Response:
        """One with its messages."""
        asked = read_parameters(request, ConversationShow, id=_number(request))
        return response(await self._services.conversations.show(asked.id))

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """A new one, without messages."""
        asked = await read_request(request, ConversationCreate)
        created = await self._services.conversations.create(asked.title, asked.collections)
        return response(ConversationReply(conversation=created))

    async def change(self, request: web.Request, job: Job) -> web.Response:
        """Another title, or other collections."""
        asked = await read_request(request, ConversationChange, id=_number(request))
        if asked.title is None and asked.collections is None:
            raise bad_request("Nothing is to change: give a title, or the names of collections.", param="title")
        changed = await self._services.conversations.change(asked.id, title=asked.title, collections=asked.collections)
        return response(ConversationReply(conversation=changed))

    async def delete(self, request: web.Request, job: Job) -> web.Response:
        """Remove it with its messages."""
        asked = await read_request(request, ConversationDelete, id=_number(request))
        return response(ConversationDeleteReply(found=await self._services.conversations.delete(asked.id)))


def _number(request: web.Request) -> int:
    return find_number(request.match_info["conversation"], "conversation")
