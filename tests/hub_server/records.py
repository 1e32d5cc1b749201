"""What the server was asked, and what it is to answer instead of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Seen:
    """A request.

    - host: "hub", or "files" for the second host. - headers: names in lower case. - bytes_sent: of the body.
    """

    host: Literal["hub", "files"]
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int = 0
    bytes_sent: int = 0

    @property
    def authorization(self) -> str | None:
        """The header that must not follow a redirect to another host."""
        return self.headers.get("authorization")


@dataclass
class Override:
    """An answer in place of the true one. - endless: send `body` again and again until the client hangs up."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json; charset=utf-8"})
    endless: bool = False
