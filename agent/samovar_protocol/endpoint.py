"""The endpoint file: how a client finds the running agent and proves that it may talk to it.

Only the owner can read it (0600, in a 0700 folder), and it holds the CURVE keys of both sides (RFC 26 of ZeroMQ),
so being able to read the file is the permission to use the socket.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent publishes while it runs.

    - protocol: (major, minor) of the agent's protocol. - version: the agent's release. - pid: its process.
    - control, events: ZeroMQ addresses. - http: base URLs of the local server; may be empty.
    - server_key: the agent's CURVE public key. - client_key, client_secret: the pair that clients present (Z85).
    """

    protocol: tuple[int, int]
    version: str
    pid: int
    control: str
    events: str
    http: list[str]
    server_key: str
    client_key: str
    client_secret: str

    def write(self, path: Path) -> None:
        """Publish atomically, readable by the owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=2))
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> Endpoint | None:
        """The published endpoint, or None where there is none or it is not readable as one."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
            return None
