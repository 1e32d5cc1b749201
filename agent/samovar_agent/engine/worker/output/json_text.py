"""JSON read while it is written: passed on as it stands, and checked at every character."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from samovar_agent.engine.worker.output.cursor import Cursor, Malformed, Reading

MAX_DEPTH = 200
"""Far deeper than arguments are, and less than what makes decoders give up."""

_MAX_DIGITS = 1000
"""Python's decoder refuses integers of more than 4,300."""

_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
_SCALAR = re.compile(r"[-+.0-9A-Za-z]")
_NUMBER_OR_WORD = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_HEX = re.compile(r"[0-9A-Fa-f]{4}")

Emit = Callable[[str], None]


def value(cursor: Cursor, emit: Emit) -> Reading[None]:
    """One value, in pieces. Raw line breaks in strings, a frequent slip, are escaped; all else must be valid."""
    closers: list[str] = []
    while True:
        emit((yield from cursor.space()))
        head = yield from cursor.peek()
        if head == '"':
            yield from string(cursor, emit)
        elif head in "{[":
            yield from _opening(cursor, emit, head, closers)
            if (yield from cursor.peek()) != closers[-1]:
                continue
        else:
            yield from _scalar(cursor, emit)
        while closers:
            emit((yield from cursor.space()))
            follower = yield from cursor.expect(closers[-1], ",")
            emit(follower)
            if follower == ",":
                yield from _key(cursor, emit, closers)
                break
            closers.pop()
        else:
            return


def text_of_value(cursor: Cursor) -> Reading[str]:
    """One value, whole."""
    pieces: list[str] = []
    yield from value(cursor, pieces.append)
    return "".join(pieces)


def text_of_string(cursor: Cursor) -> Reading[str]:
    """What a JSON string says, decoded."""
    pieces: list[str] = []
    yield from string(cursor, pieces.append)
    decoded: str = json.loads("".join(pieces))
    return decoded


def string(cursor: Cursor, emit: Emit) -> Reading[None]:
    """One string, in pieces."""
    emit((yield from cursor.expect('"')))
    while True:
        head = yield from cursor.peek()
        if head == '"':
            cursor.at += 1
            emit(head)
            return
        if head == "\\":
            yield from _escape(cursor, emit)
        elif head < " ":
            cursor.at += 1
            emit(json.dumps(head)[1:-1])
        else:
            match = _PLAIN.match(cursor.text, cursor.at)
            assert match
            cursor.at = match.end()
            emit(match.group())


def decode(text: str) -> Any:
    """`text` as a value; raises ValueError where it is not strict JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _opening(cursor: Cursor, emit: Emit, head: str, closers: list[str]) -> Reading[None]:
    cursor.at += 1
    emit(head)
    closers.append("}" if head == "{" else "]")
    if len(closers) > MAX_DEPTH:
        raise Malformed
    emit((yield from cursor.space()))
    if (yield from cursor.peek()) != closers[-1]:
        yield from _key(cursor, emit, closers)


def _key(cursor: Cursor, emit: Emit, closers: list[str]) -> Reading[None]:
    if closers[-1] == "]":
        return
    emit((yield from cursor.space()))
    yield from string(cursor, emit)
    emit((yield from cursor.space()))
    emit((yield from cursor.expect(":")))


def _escape(cursor: Cursor, emit: Emit) -> Reading[None]:
    pair = yield from cursor.take(2)
    if pair[1] == "u":
        digits = yield from cursor.take(4)
        if not _HEX.fullmatch(digits):
            raise Malformed
        pair += digits
    elif pair[1] not in '"\\/bfnrt':
        raise Malformed
    emit(pair)


def _scalar(cursor: Cursor, emit: Emit) -> Reading[None]:
    text = yield from cursor.run(_SCALAR)
    if len(text) > _MAX_DIGITS or not _NUMBER_OR_WORD.fullmatch(text):
        raise Malformed
    emit(text)
