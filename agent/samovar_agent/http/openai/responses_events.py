"""Server-sent events of `/v1/responses`: numbered, and each named twice, as OpenAI's clients expect it."""

from __future__ import annotations

import msgspec

from samovar_agent.http.openai.json_strings import one_line, string

_encode = msgspec.json.Encoder().encode


class Events:
    """Makes the events of one stream, in their order."""

    def __init__(self) -> None:
        self.count = 0

    def event(self, kind: str, **values: object) -> bytes:
        """One event. - kind: without "response." before it."""
        return self.encoded(head(kind, **values), b"")

    def encoded(self, head: bytes, rest: bytes) -> bytes:
        """One event that begins with `head`. - rest: further fields, each with a comma before it."""
        number = self.count
        self.count += 1
        return b'%b%b,"sequence_number":%d}\n\n' % (head, rest, number)


def head(kind: str, **values: object) -> bytes:
    """The beginning of an event, for those of which there are many."""
    name = f"response.{kind}".encode()
    fields = one_line(_encode(values))[1:-1]
    return b'event: %b\ndata: {"type":"%b"%b%b' % (name, name, b"," if fields else b"", fields)


def piece(text: str) -> bytes:
    """The field of a piece of text."""
    return b',"delta":' + string(text)
