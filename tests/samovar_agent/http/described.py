"""Whether a reply is what the server's description says of it."""

from typing import Any

import msgspec


def told(kind: Any, value: Any) -> bool:
    """Whether the type has a place for all of a reply's value, and nothing of it is of another type."""
    return bool(msgspec.to_builtins(msgspec.convert(value, kind)) == value)
