"""Filters of a search by the attributes of files: comparisons, and `and` and `or` of them.

{"type": "and", "filters": [{"type": "eq", "key": "language", "value": "en"},
                            {"type": "gte", "key": "year", "value": 2020}]}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from samovar_agent.http.errors import bad_request
from samovar_agent.store.attachments import Attributes, AttributeValue
from samovar_protocol import SamovarError

DEEPEST = 20
"""Filters within filters."""
MOST = 1000
"""Filters in all."""

Scalar = str | bool | int | float


class AttributeFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comparison has key and value, a compound has filters; `check` says whether it does."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or"]
    key: str | UnsetType = UNSET
    value: Scalar | Annotated[list[Scalar], Meta(max_length=10_000)] | UnsetType = UNSET
    filters: list[AttributeFilter] | UnsetType = UNSET


def check(given: AttributeFilter, path: str = "filters") -> None:
    """Raise `bad_request` for a filter that means nothing."""
    count = _check(given, path, path, 1)
    if count > MOST:
        raise bad_request(f"There are {count:,} filters; {MOST:,} are the limit.", param=path)


def matches(given: AttributeFilter, attributes: Attributes) -> bool:
    """Whether a file with these attributes is meant.

    Values of different kinds are never equal, nor is one before the other. What a file lacks equals nothing: of a file
    without the key only `ne` and `nin` are true.
    """
    if not isinstance(given.filters, UnsetType):
        of_them = all if given.type == "and" else any
        return of_them(matches(one, attributes) for one in given.filters)
    assert isinstance(given.key, str) and not isinstance(given.value, UnsetType), "checked"
    value = attributes.get(given.key)
    wanted = given.value if isinstance(given.value, list) else [given.value]
    if given.type in ("eq", "in"):
        return any(_equal(value, one) for one in wanted)
    if given.type in ("ne", "nin"):
        return not any(_equal(value, one) for one in wanted)
    return any(_ordered(value, one, _ORDERS[given.type]) for one in wanted)


_ORDERS: dict[str, Callable[[int], bool]] = {
    "gt": lambda sign: sign > 0,
    "gte": lambda sign: sign >= 0,
    "lt": lambda sign: sign < 0,
    "lte": lambda sign: sign <= 0,
}


def _check(given: AttributeFilter, path: str, root: str, depth: int) -> int:
    if depth > DEEPEST:
        raise bad_request(f"The filters are nested deeper than {DEEPEST}.", param=root)
    if given.type in ("and", "or"):
        if not isinstance(given.key, UnsetType) or not isinstance(given.value, UnsetType):
            raise bad_request(f"'{path}' is '{given.type}', which has 'filters' alone.", param=path)
        if isinstance(given.filters, UnsetType) or not given.filters:
            raise _missing(f"{path}.filters")
        return 1 + sum(_check(one, f"{path}.filters[{n}]", root, depth + 1) for n, one in enumerate(given.filters))
    if not isinstance(given.filters, UnsetType):
        raise bad_request(f"'{path}' is '{given.type}', which has no 'filters'.", param=path)
    if isinstance(given.key, UnsetType):
        raise _missing(f"{path}.key")
    if isinstance(given.value, UnsetType):
        raise _missing(f"{path}.value")
    if (given.type in ("in", "nin")) != isinstance(given.value, list):
        kind = "a list" if given.type in ("in", "nin") else "one value"
        raise bad_request(f"'{path}.value' must be {kind} with '{given.type}'.", param=f"{path}.value")
    if given.type in _ORDERS and isinstance(given.value, bool):
        raise bad_request(f"'{path}.value' is neither more nor less than anything.", param=f"{path}.value")
    return 1


def _missing(param: str) -> SamovarError:
    return bad_request(f"'{param}' is missing.", param=param)


def _equal(value: AttributeValue | None, wanted: Scalar) -> bool:
    return _kind(value) == _kind(wanted) and value == wanted


def _ordered(value: AttributeValue | None, wanted: Scalar, order: Callable[[int], bool]) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return False
    if isinstance(value, str) and isinstance(wanted, str):
        return order((value > wanted) - (value < wanted))
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return order((value > wanted) - (value < wanted))
    return False


def _kind(value: AttributeValue | None) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)
