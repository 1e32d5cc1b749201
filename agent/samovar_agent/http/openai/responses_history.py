"""What a request of `/v1/responses` goes on from: its own items, those that they refer to, and the responses before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from samovar_agent.http.json_body import off_loop
from samovar_agent.http.openai.responses_items import (
    PREFIXES,
    Item,
    ReferenceItem,
    item_id,
    item_of,
    response_of,
    stored,
)
from samovar_agent.http.openai.responses_request import ResponseRequest
from samovar_agent.store.responses import ResponseRow, Responses
from samovar_protocol import FailureCode, SamovarError

Raw = dict[str, Any]


_MANY = 500


class History(NamedTuple):
    """- earlier: items of the responses before, whose ids are `chain`. - items: of the request. - long: to look at each
    of them takes so long that others should be answered meanwhile."""

    earlier: list[Item]
    chain: list[str]
    items: list[Item]
    long: bool

    def kept(self, response: str) -> list[Raw]:
        """The request's items as they are kept. - response: id of the one that they are for."""
        return [
            stored(item, item_id(PREFIXES[item.type], response, f"i{place}")) for place, item in enumerate(self.items)
        ]


async def history(body: ResponseRequest, store: Responses) -> History:
    """All of it; raises `bad_request`, and `not_found` for what is not stored."""
    given = [{"role": "user", "content": body.input}] if isinstance(body.input, str) else body.input or []
    long = _are_many(given)
    # Before anything is looked for.
    items = await off_loop(lambda: [item_of(raw, f"input[{place}]") for place, raw in enumerate(given)], long=long)
    known: dict[str, ResponseRow] = {}
    resolved = [
        await _referred(item, f"input[{place}].id", store, known) if isinstance(item, ReferenceItem) else item
        for place, item in enumerate(items)
    ]
    rows = await _before(body.previous_response_id, store)
    raws = [raw for row in rows for raw in (*row.input, *row.response["output"])]
    long = long or _are_many(raws)
    return History(await off_loop(lambda: _items(raws), long=long), [row.id for row in rows], resolved, long)


def listed(rows: Sequence[ResponseRow]) -> list[Raw]:
    """All items that went into the last of these responses."""
    before = [item for row in rows[:-1] for item in (*row.input, *row.response["output"])]
    return [*before, *rows[-1].input]


async def _before(id_: str | None, store: Responses) -> list[ResponseRow]:
    if id_ is None:
        return []
    try:
        rows = await store.chain(id_)
    except SamovarError as error:
        raise _with_param(error, "previous_response_id") from None
    if (gone := rows[0].previous) is not None:
        raise SamovarError(
            FailureCode.NOT_FOUND,
            f"'{id_}' builds on the response '{gone}', which is not there any more.",
            hint="Send the conversation as input.",
            details={"param": "previous_response_id"},
        )
    return rows


def _are_many(raws: Sequence[Raw]) -> bool:
    """Whether there are many items, or many parts in them."""
    parts = (raw.get("content") or raw.get("output") for raw in raws)
    return len(raws) + sum(len(each) for each in parts if isinstance(each, list)) > _MANY


def _items(raws: Sequence[Raw]) -> list[Item]:
    return [item for raw in raws if not isinstance(item := item_of(raw, ""), ReferenceItem)]


async def _referred(reference: ReferenceItem, path: str, store: Responses, known: dict[str, ResponseRow]) -> Item:
    """The item of a stored response. - known: responses that were looked up."""
    response = response_of(reference.id)
    if response is not None:
        try:
            row = known.get(response) or await store.get(response)
        except SamovarError as error:
            raise _with_param(error, path) from None
        known[response] = row
        for raw in (*row.input, *row.response["output"]):
            if raw["id"] == reference.id and not isinstance(item := item_of(raw, path), ReferenceItem):
                return item
    raise SamovarError(
        FailureCode.NOT_FOUND,
        f"There is no item '{reference.id}' in a stored response.",
        hint="Send the item itself.",
        details={"param": path},
    )


def _with_param(error: SamovarError, param: str) -> SamovarError:
    return SamovarError(error.code, error.failure.message, hint=error.failure.hint, details={"param": param})
