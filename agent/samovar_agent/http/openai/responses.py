"""`/v1/responses`: a conversation's next turn, which is kept, and what became of earlier ones.

What is kept can be read by everybody who may chat here: responses belong to nobody in particular.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response, streamed
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import off_loop_if_long, read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.model_names import may_think, named
from samovar_agent.http.openai.responses_history import listed
from samovar_agent.http.openai.responses_query import InputItemsQuery, RetrieveQuery, query_of
from samovar_agent.http.openai.responses_reply import told
from samovar_agent.http.openai.responses_request import LOGPROBS, RESULTS, Included, ResponseRequest
from samovar_agent.http.openai.responses_turn import turn_of
from samovar_agent.http.openai.without_effect import stream_with

if TYPE_CHECKING:
    from samovar_agent.services import Services

_decoder = msgspec.json.Decoder(ResponseRequest)


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """It is gone."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """A portion of items. - has_more: there are others after the last of these."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Responses:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away cancels this, and closing the generator stops the engine."""
        body = await read_json(request, _decoder)
        tools = await off_loop_if_long(request, body.checked_tools)
        if tools.search is not None:
            job.check_scope("documents")
        turn = await turn_of(body, tools, self._services, job.client)
        headers = body.to_headers(lambda: may_think(self._services, named(self._services, body.model, "chat")))
        if body.stream:
            return await streamed(request, job, turn.send, turn.fail, kind=stream_with(headers))
        async with job.interruptible(), aclosing(turn.run()) as pieces:
            async for _ in pieces:
                pass
        return json_response(msgspec.json.encode(turn.told()), headers)

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One that is kept."""
        query = query_of(request, RetrieveQuery)
        query.check()
        row = await self._services.store.responses.get(request.match_info["id"])
        output = self._told(row.response["output"], query.include, job)
        return json_response(msgspec.json.encode({**row.response, "output": output}))

    async def delete(self, request: web.Request, job: Job) -> web.Response:
        """Forget one. What was built on it stays, and nothing more can be built on that."""
        id_ = request.match_info["id"]
        if not await self._services.store.responses.delete(id_):
            await self._services.store.responses.get(id_)  # raises that there is none
        return json_response(msgspec.json.encode(Deleted(id=id_)))

    async def input_items(self, request: web.Request, job: Job) -> web.Response:
        """What went into one, a portion at a time, with all that it builds on."""
        query = query_of(request, InputItemsQuery)
        items = listed(await self._services.store.responses.chain(request.match_info["id"]))
        if query.order == "desc":
            items.reverse()
        portion, more = query.portion(items)
        ids = [item["id"] for item in portion]
        return json_response(
            msgspec.json.encode(
                ItemList(
                    data=self._told(portion, query.include, job),
                    first_id=ids[0] if ids else None,
                    last_id=ids[-1] if ids else None,
                    has_more=more,
                )
            )
        )

    async def cancel(self, request: web.Request, job: Job) -> web.Response:
        """End one that is made in the background, of which there are none."""
        await self._services.store.responses.get(request.match_info["id"])
        raise bad_request(
            "Only a response that is made in the background can be cancelled, and there are none.",
            hint="Close the connection to end one that is under way.",
        )

    async def compact(self, request: web.Request, job: Job) -> NoReturn:
        """Shorten a conversation to what only its maker can read, which nobody does here."""
        raise bad_request(
            "Conversations are not compacted here.",
            hint="Have the model summarise it with /v1/responses, and go on from the summary.",
        )

    def _told(self, items: list[dict[str, Any]], include: Sequence[Included], job: Job) -> list[dict[str, Any]]:
        if RESULTS in include:
            job.check_scope("documents")
        return told(items, results=RESULTS in include, logprobs=LOGPROBS in include)
