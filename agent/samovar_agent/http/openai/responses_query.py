"""The queries of `GET /v1/responses/…`: what may stand behind the question mark."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import invalid
from samovar_agent.http.openai.responses_items import ItemId
from samovar_agent.http.openai.responses_request import Included

Q = TypeVar("Q", bound=msgspec.Struct)


class RetrieveQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one response. - stream, starting_after: its events again, which nobody keeps."""

    include: list[Included] = []
    include_obfuscation: Literal["false"] = "false"
    stream: bool = False
    starting_after: int | None = None

    def check(self) -> None:
        """Raise `bad_request` for what is not possible."""
        for name, given in (("stream", self.stream), ("starting_after", self.starting_after is not None)):
            if given:
                raise bad_request(
                    f"'{name}' is not supported: the events of a response are not kept.",
                    param=name,
                    hint="Leave it out.",
                )


class InputItemsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what went into a response. - after: id of the last item of the portion before."""

    include: list[Included] = []
    after: ItemId | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"

    def portion(self, items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
        """Those that are asked for, and whether there are others after them; raises `bad_request`."""
        start = 0
        if self.after is not None:
            start = next((place for place, item in enumerate(items, 1) if item["id"] == self.after), 0)
            if not start:
                raise bad_request(f"No item has the id '{self.after}'.", param="after")
        return items[start : start + self.limit], start + self.limit < len(items)


def query_of(request: web.Request, kind: type[Q]) -> Q:
    """The query of a request; raises `bad_request` naming what is wrong with it."""
    values: dict[str, Any] = {}
    for name, value in request.query.items():
        if name in ("include", "include[]"):  # as curl sends lists, and as OpenAI's clients do
            values.setdefault("include", []).append(value)
        elif name in values:
            raise bad_request(f"'{name}' is there twice.", param=name)
        else:
            values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
