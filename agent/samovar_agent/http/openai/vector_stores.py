"""`/v1/vector_stores`: collections of documents, under the name that OpenAI has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import UNSET

from samovar_agent.documents.vector_stores import VectorStores
from samovar_agent.http.answering import json_response
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.listing import ListQuery, listed, portion_of
from samovar_agent.http.openai.vector_store_objects import STORE_PREFIX, Deleted, store_object
from samovar_agent.http.openai.vector_store_requests import (
    ChangeStore,
    CreateStore,
    file_number,
    refuse_expiry,
    refuse_static,
)
from samovar_agent.http.query import find_number, read_query
from samovar_agent.store.attachments import Attributes
from samovar_agent.store.vector_stores import VectorStoreRow

if TYPE_CHECKING:
    from samovar_agent.services import Services

_create_decoder = msgspec.json.Decoder(CreateStore)
_change_decoder = msgspec.json.Decoder(ChangeStore)


class Stores:
    """The endpoints of vector stores themselves."""

    def __init__(self, services: Services, stores: VectorStores) -> None:
        self._store, self._stores = services.store, stores

    async def create(self, request: web.Request, job: Job) -> web.Response:
        """A new collection, with the files that are named."""
        body = await read_json(request, _create_decoder, if_empty=b"{}")
        refuse_expiry(body.expires_after)
        refuse_static(body.chunking_strategy)
        files: dict[int, Attributes] = {
            file_number(id_, f"file_ids[{number}]"): {} for number, id_ in enumerate(body.file_ids or [])
        }
        async with job.interruptible():
            row = await self._stores.create(
                body.name, description=body.description, metadata=body.metadata, files=files
            )
        return _response(row)

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """A portion of the collections, whoever made them."""
        query = read_query(request, ListQuery)
        rows, more = await self._store.vector_stores.ls(portion_of(query, STORE_PREFIX))
        return listed([store_object(row) for row in rows], more=more)

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them."""
        return _response(await self._store.vector_stores.get(store_number(request)))

    async def change(self, request: web.Request, job: Job) -> web.Response:
        """Another name or other metadata."""
        number = store_number(request)
        body = await read_json(request, _change_decoder, if_empty=b"{}")
        refuse_expiry(body.expires_after)
        metadata = None if body.metadata is UNSET else body.metadata or {}
        async with job.interruptible():
            row = await self._stores.change(number, name=body.name, metadata=metadata)
        return _response(row)

    async def delete(self, request: web.Request, job: Job) -> web.Response:
        """Remove the collection; uploaded files stay."""
        number = store_number(request)
        async with job.interruptible():
            await self._stores.delete(number)
        return json_response(msgspec.json.encode(Deleted(id=f"{STORE_PREFIX}{number}", object="vector_store.deleted")))


def store_number(request: web.Request) -> int:
    """The number of the vector store in the path."""
    return find_number(request.match_info["store"], "vector store", prefix=STORE_PREFIX)


def _response(row: VectorStoreRow) -> web.Response:
    return json_response(msgspec.json.encode(store_object(row)))
