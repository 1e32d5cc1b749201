"""A command's way to the agent: one question, one answer, on an event loop of its own.

reply = session.call(Ls(), start=not no_start)
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from samovar.cli import output
from samovar.cli.progress import ProgressBar

if TYPE_CHECKING:
    from samovar import Client
    from samovar_protocol.requests import Request, StreamRequest
    from samovar_protocol.values import Progress

    R = TypeVar("R")
T = TypeVar("T")


def open_client(*, start: bool, timeout: float = 10.0) -> AbstractAsyncContextManager[Client]:
    """A connection for `async with`. Everything that commands ask goes through here; tests put a fake in its place.

    - start: start the agent where none runs. - timeout: seconds to wait for an answer to the greeting.
    """
    import samovar

    return samovar.connect(
        start=start, timeout=timeout, name="samovar-cli", on_start=lambda: output.note("Starting the agent…")
    )


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part. Ctrl-C cancels it, and with it what the agent does for it."""
    import asyncio

    return asyncio.run(main)


def call(request: Request[R], *, start: bool, timeout: float = 10.0) -> R:
    """Ask once."""

    async def ask() -> R:
        async with open_client(start=start, timeout=timeout) as client:
            return await client.call(request)

    return run(ask())


def follow(request: StreamRequest[Progress, R], *, start: bool, label: str) -> R:
    """Ask for something slow and show how far it is. - label: what it is about, e.g. the model's name."""

    async def ask() -> R:
        async with open_client(start=start) as client:
            return await follow_with(client, request, label=label)

    return run(ask())


async def follow_with(client: Client, request: StreamRequest[Progress, R], *, label: str) -> R:
    """`follow` over a connection that is open already."""
    with ProgressBar(label) as bar:
        async with client.stream(request) as stream:
            async for progress in stream:
                bar.show(progress)
    return stream.reply
