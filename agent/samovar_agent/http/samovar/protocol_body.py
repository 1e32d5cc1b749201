"""Bodies and parameters that are the control protocol's requests: the same fields, and nothing else.

    request = await read_request(http_request, DocsRm, collection="notes")
    stream, request = await read_streamed(http_request, DocsAdd, collection="notes")

The protocol ignores fields that it does not know, so that versions can differ. Here nobody would notice a field that is
spelled wrongly, so it is refused.
"""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert, read_json
from samovar_agent.http.query import read_query

R = TypeVar("R", bound=msgspec.Struct)

_LARGEST = 2**63 - 1
"""The store has no larger numbers."""

_decoder = msgspec.json.Decoder(dict[str, Any])


async def read_request(request: web.Request, to: type[R], **from_path: object) -> R:
    """The body as the protocol's request `to`. - from_path: fields that the address has said already."""
    return _request(await read_json(request, _decoder, if_empty=b"{}"), to, from_path)


async def read_streamed(request: web.Request, to: type[R], **from_path: object) -> tuple[bool, R]:
    """The same, with a field `stream` besides: whether the reply is to come as events."""
    given = await read_json(request, _decoder, if_empty=b"{}")
    stream = given.pop("stream", False)
    if not isinstance(stream, bool):
        raise bad_request("'stream' is not valid: Expected `bool`.", param="stream")
    return stream, _request(given, to, from_path)


def read_parameters(request: web.Request, to: type[R], **from_path: object) -> R:
    """The address's parameters as the protocol's request `to`."""
    given = msgspec.structs.asdict(read_query(request, body_type(to, *sorted(from_path))))
    _check(given, None, "")
    return to(**given, **from_path)


@functools.cache
def body_type(to: type[msgspec.Struct], *without: str, streamed: bool = False) -> type[msgspec.Struct]:
    """What a body has that becomes the protocol's request `to`, for those who describe or read it.

    - without: fields that the address has said already. - streamed: with a field `stream` besides.
    """
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(to):
        if field.name in without:
            continue
        if field.required:
            fields.append((field.name, field.type))
        elif field.default_factory is not msgspec.NODEFAULT:
            fields.append((field.name, field.type, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append((field.name, field.type, field.default))
    if streamed:
        fields.append(("stream", bool, False))
    # No two types have one name, or descriptions of them could not tell them apart.
    name = "_".join([to.__name__, *without, *(["streamed"] if streamed else [])])
    return msgspec.defstruct(name, fields, namespace={"__doc__": to.__doc__}, kw_only=True, forbid_unknown_fields=True)


def _request(given: dict[str, Any], to: type[R], from_path: dict[str, object]) -> R:
    for name in from_path:
        if name in given:
            raise bad_request(f"'{name}' is in the address already.", param=name, hint="Leave it out.")
    asked = {**given, **from_path}
    typed = convert(asked, to, {})
    try:
        _check(asked, typed, "")
    except RecursionError:
        raise bad_request("The JSON is nested too deeply.") from None
    return typed


def _check(given: Any, typed: Any, path: str) -> None:
    """Raise `bad_request` for fields that `typed` was not made of, and for numbers that nothing here can have."""
    if isinstance(given, int) and abs(given) > _LARGEST:
        raise bad_request(f"'{path}' is too large.", param=path)
    if isinstance(given, list):
        parts = typed if isinstance(typed, list | tuple) else [None] * len(given)
        for number, (one, part) in enumerate(zip(given, parts, strict=True)):
            _check(one, part, f"{path}[{number}]")
    elif isinstance(given, dict):
        known = _fields(typed)
        for name, one in given.items():
            at = f"{path}.{name}" if path else name
            if known is not None and name not in known:
                raise bad_request(f"'{at}' is not a parameter of this endpoint.", param=at, hint="Leave it out.")
            _check(one, known[name] if known is not None else None, at)


def _fields(typed: Any) -> dict[str, Any] | None:
    """What the struct says under which name; None for objects of any fields."""
    if not isinstance(typed, msgspec.Struct):
        return None
    named = {field.encode_name: getattr(typed, field.name) for field in msgspec.structs.fields(typed)}
    tag_field = typed.__struct_config__.tag_field
    return named if tag_field is None else {**named, tag_field: None}
