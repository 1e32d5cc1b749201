"""JSON for event streams: nothing in it looks like the end of a line to anybody."""

from __future__ import annotations

import msgspec

_encode = msgspec.json.Encoder().encode


def string(text: str) -> bytes:
    """A text as JSON."""
    encoded = _encode(text)
    return encoded if text.isascii() else one_line(encoded)


def one_line(encoded: bytes) -> bytes:
    """Without the line breaks that are legal in JSON: some clients split streams with Python's str.splitlines."""
    return (
        encoded.replace(b"\xe2\x80\xa8", b"\\u2028")
        .replace(b"\xe2\x80\xa9", b"\\u2029")
        .replace(b"\xc2\x85", b"\\u0085")
    )
