"""Talk to the Samovar agent from Python.

    import samovar
    from samovar.requests import Chat, Message

    async with samovar.connect(start=True) as client:
        async with client.stream(Chat(messages=[Message(role="user", content="Hello!")])) as stream:
            async for piece in stream:
                print(piece)
        print(stream.reply.stats)

Without asyncio: `samovar.connect_sync()`. Everything that goes wrong is a `SamovarError` with a code and a hint.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samovar._client import Client, Events, Stream, connect
    from samovar._launch import start_agent
    from samovar._sync import SyncClient, SyncStream, connect_sync
    from samovar_protocol import Endpoint, Failure, FailureCode, Places, SamovarError

__version__ = "0.1.0"

_HOMES = {
    "Client": "samovar._client",
    "Events": "samovar._client",
    "Stream": "samovar._client",
    "connect": "samovar._client",
    "start_agent": "samovar._launch",
    "SyncClient": "samovar._sync",
    "SyncStream": "samovar._sync",
    "connect_sync": "samovar._sync",
    "Endpoint": "samovar_protocol",
    "Failure": "samovar_protocol",
    "FailureCode": "samovar_protocol",
    "Places": "samovar_protocol",
    "SamovarError": "samovar_protocol",
}

__all__ = [
    "Client",
    "Endpoint",
    "Events",
    "Failure",
    "FailureCode",
    "Places",
    "SamovarError",
    "Stream",
    "SyncClient",
    "SyncStream",
    "__version__",
    "connect",
    "connect_sync",
    "start_agent",
]


def __getattr__(name: str) -> object:
    # Names are imported when first used: the command line's `--help` must not pay for ZeroMQ and asyncio.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'samovar' has no attribute '{name}'")
