"""What a request says in its address: the ids of its path and the parameters after the question mark."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import invalid
from samovar_protocol import FailureCode, SamovarError

T = TypeVar("T")


def read_query(request: web.Request, to: type[T]) -> T:
    """The parameters as the struct `to`; raises `bad_request` naming the parameter."""
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise bad_request(f"'{name}' is there twice.", param=name, hint="Send it once.")
    try:
        return msgspec.convert(dict(request.query), to, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from None


def find_number(text: str, what: str, *, prefix: str = "") -> int:
    """The number in an id, e.g. 7 in "file-7". Raises `not_found`. - what: it is the id of."""
    number = number_of(text, prefix)
    if number is None:
        raise SamovarError(FailureCode.NOT_FOUND, f"There is no {what} '{text[:40]}'.", hint="List them.")
    return number


def number_of(text: str, prefix: str = "") -> int | None:
    """The number in an id, or None where it is no such id. An id has one spelling: there is no "file-07"."""
    digits = text.removeprefix(prefix)
    if not text.startswith(prefix) or not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        return None
    if digits.startswith("0"):
        return None
    return int(digits)
