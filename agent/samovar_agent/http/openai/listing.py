"""Lists in portions, as OpenAI's clients turn their pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, Literal, Protocol, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.answering import json_response
from samovar_agent.http.errors import bad_request
from samovar_agent.http.query import number_of
from samovar_agent.store.portions import Portion

E = TypeVar("E")
Order = Literal["asc", "desc"]


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters. - after, before: ids of entries that the client has."""

    after: str | None = None
    before: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Order = "desc"


class Entry(Protocol):
    """What is listed."""

    @property
    def id(self) -> str:
        """By which the client asks for what comes after it."""


class Listed(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """A portion. - has_more: there are entries behind it."""

    object: Literal["list"] = "list"
    data: Sequence[E]
    first_id: str | None
    last_id: str | None
    has_more: bool


def listed(entries: Sequence[Entry], *, more: bool) -> web.Response:
    """The portion as a reply. - more: there are entries behind it."""
    first, last = (entries[0].id, entries[-1].id) if entries else (None, None)
    return json_response(
        msgspec.json.encode(Listed(data=entries, first_id=first, last_id=last, has_more=more)),
    )


def portion_of(query: ListQuery, prefix: str) -> Portion:
    """What the store is asked for, where a cursor's number is the id of the row."""
    return Portion(
        after=cursor("after", query.after, prefix),
        before=cursor("before", query.before, prefix),
        limit=query.limit,
        newest_first=query.order == "desc",
    )


def cursor(name: str, id_: str | None, prefix: str) -> int | None:
    """The number in a cursor; raises `bad_request` where it is no id."""
    if id_ is None:
        return None
    if (number := number_of(id_, prefix)) is None:
        raise bad_request(
            f"'{name}' is not an id: '{id_[:40]}'.",
            param=name,
            hint=f"They look like '{prefix}1'; take one from the list.",
        )
    return number
