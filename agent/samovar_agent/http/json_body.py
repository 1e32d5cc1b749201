"""Request bodies: bounded, decoded and checked in one pass, with the faulty field named."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from samovar_agent.http.errors import bad_request
from samovar_agent.http.slowness import BODY_SECONDS, SlowBodyError, too_slow
from samovar_protocol import FailureCode, SamovarError

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Largest body, also after decompression. The same as a frame of the control socket."""

LONG_BODY_BYTES = 128 * 1024
"""From so many on, what is done with each message of a body can take as long as nobody else should wait."""

MAX_DEPTH = 100
"""Deepest nesting of what is kept or told again as it came; deeper than that, encoding could run out of stack."""

T = TypeVar("T")

_AT = re.compile(r" - at (`key` in )?`\$\.?(?P<path>.*)`$", re.DOTALL)
_HEAD = re.compile(r"^\w+")
_MISSING = re.compile(r"missing required field `(?P<name>.+)`$", re.DOTALL)
_UNKNOWN = re.compile(r"contains unknown field `(?P<name>.*)`$", re.DOTALL)


async def read_json(request: web.Request, decoder: msgspec.json.Decoder[T], *, if_empty: bytes = b"") -> T:
    """The body as the decoder's type; raises `too_large`, or `bad_request` naming the field.

    - if_empty: what an empty body stands for.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except SlowBodyError:
        raise too_slow("The body came too slowly, or not to its end within {:.0f} seconds.", BODY_SECONDS) from None
    except web.RequestPayloadError as error:
        raise bad_request("The body did not arrive whole, or its compression is broken.") from error
    try:
        return _decoded(body or if_empty, decoder)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except RecursionError:
        raise bad_request("The JSON is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f"The body is not valid JSON: {error}.", hint="Send one JSON object in UTF-8.") from None


def _decoded(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    if len(body) < LONG_BODY_BYTES or not gc.isenabled():
        return decoder.decode(body)
    gc.disable()  # it would look again and again at all that was made so far, and everybody would wait for that
    try:
        return decoder.decode(body)
    finally:
        gc.enable()


async def off_loop_if_long(request: web.Request, function: Callable[[], T]) -> T:
    """What a function makes of the body, which was read: of a long one in a thread, so that others are answered
    meanwhile."""
    return await off_loop(function, long=len(await request.read()) >= LONG_BODY_BYTES)


async def off_loop(function: Callable[[], T], *, long: bool) -> T:
    """What a function returns; it is called in a thread where that takes long."""
    return await asyncio.to_thread(function) if long else function()


def convert(values: object, to: type[T], names: dict[str, str] | None = None, *, at: str = "") -> T:
    """`values` as the type `to`; raises `bad_request` naming the field.

    - names: what the client calls a field, where that differs from ours. - at: where in the body the values stand.
    """
    try:
        return msgspec.convert(values, to)
    except msgspec.ValidationError as error:
        raise invalid(error, names, at=at) from None


def check_depth(*values: object) -> None:
    """Raise `bad_request` for objects and lists inside of each other, more than `MAX_DEPTH` of them."""
    level: list[object] = list(values)
    for _ in range(MAX_DEPTH):
        inside: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inside += value.values()
            elif isinstance(value, list):
                inside += value
        if not inside:
            return
        level = inside
    raise bad_request("The JSON is nested too deeply.")


def refuse(
    given: msgspec.Struct, rules: Mapping[str, tuple[Any, ...]], path: str, *, hints: Mapping[str, str] | None = None
) -> None:
    """Raise `bad_request` for a field that asks for something which there is not.

    - rules: of each such field, the values that ask for nothing; null always does. - path: before the fields' names.
    - hints: what to do instead, where that is not to leave it out.
    """
    for name, harmless in rules.items():
        value = getattr(given, name)
        # The types too, because 1 == True.
        if value is None or any(value == ok and type(value) is type(ok) for ok in harmless):
            continue
        hint = (hints or {}).get(name, "Leave it out.")
        raise bad_request(f"'{path}{name}' is not supported.", param=f"{path}{name}", hint=hint)


def invalid(error: msgspec.ValidationError, names: dict[str, str] | None = None, *, at: str = "") -> SamovarError:
    """msgspec's sentence as ours, with its path as the field's name. - at: what comes before that path."""
    text = str(error)
    path = ""
    if place := _AT.search(text):
        path, text = place["path"], text[: place.start()]
        path = path.removesuffix("[...]")  # in a mapping, whose keys msgspec does not tell
        path = _HEAD.sub(lambda head: (names or {}).get(head[0], head[0]), path, count=1)
    path = _join(at, path) if path else at
    if missing := _MISSING.search(text):
        param = _join(path, missing["name"])
        return bad_request(f"'{param}' is missing.", param=param)
    if unknown := _UNKNOWN.search(text):
        param = _join(path, unknown["name"])
        return bad_request(f"'{param}' is not a parameter of this endpoint.", param=param, hint="Leave it out.")
    return bad_request(f"'{path}' is not valid: {text}." if path else f"{text}.", param=path or None)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and not name.startswith("[") else f"{path}{name}"


def _too_large() -> SamovarError:
    return SamovarError(
        FailureCode.TOO_LARGE,
        f"The body is larger than {MAX_BODY_BYTES // 1024**2} MiB.",
        hint="Send less text at once.",
    )
