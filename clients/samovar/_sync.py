"""The client without asyncio: the same requests, run on a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from samovar._client import Client, Stream, connect
from samovar_protocol.requests import Request, StreamRequest

R = TypeVar("R")
C = TypeVar("C")
T = TypeVar("T")


def connect_sync(
    *,
    start: bool = False,
    timeout: float = 10.0,
    on_start: Callable[[], None] | None = None,
    name: str = "samovar-python",
    home: Path | None = None,
) -> SyncClient:
    """A client for code without asyncio, to be entered with `with`; parameters as in `connect`.

    with samovar.connect_sync(start=True) as client:
        print(client.call(Ls()).models)
    """
    return SyncClient(connect(start=start, timeout=timeout, on_start=on_start, name=name, home=home))


class SyncClient:
    """A blocking face of `Client`; may be shared between threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="samovar-client", daemon=True)

    def __enter__(self) -> SyncClient:
        self._thread.start()
        try:
            self._run(self._client.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._client.__aexit__(kind, error, trace))
        self._stop()

    def call(self, request: Request[R]) -> R:
        """Ask and wait for the answer; raises `SamovarError`."""
        return self._run(self._client.call(request))

    def stream(self, request: StreamRequest[C, R]) -> SyncStream[C, R]:
        """Ask for a streamed answer, to be entered with `with`; leaving early cancels the work in the agent."""
        return SyncStream(self, self._client.stream(request))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncStream(Generic[C, R]):
    """A blocking face of `Stream`."""

    def __init__(self, client: SyncClient, stream: Stream[C, R]) -> None:
        self._client = client
        self._stream = stream

    def __enter__(self) -> SyncStream[C, R]:
        self._client._run(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client._run(self._stream.__aexit__(kind, error, trace))

    def __iter__(self) -> Iterator[C]:
        while True:
            try:
                yield self._client._run(self._stream.__anext__())
            except StopAsyncIteration:
                return

    @property
    def reply(self) -> R:
        """The final answer; there once the iteration has ended."""
        return self._stream.reply
