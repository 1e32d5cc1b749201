"""One question to the hub while it runs: `huggingface_hub` in a thread, its requests on the agent's loop.

It is told to send nothing about this machine, and may only ask what we had it ask: other requests of its own accord,
such as for lists of programs that may be using it, are refused here and never leave.
"""

# ruff: noqa: TID251 - one of the few files that may reach other machines

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from yarl import URL

from samovar_agent import __version__
from samovar_agent.network.gate import Connection
from samovar_agent.network.http import Http, origin
from samovar_agent.network.hub_values import nonsense
from samovar_agent.network.refusals import refusal_of, web_page
from samovar_protocol import SamovarError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")

LARGEST_ANSWER = 4_000_000
"""Bytes. The longest list of files that is known has a fifth of that."""

running: ContextVar[HubCall | None] = ContextVar("running", default=None)
"""The question that this thread asks."""

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """- body: all of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HubCall:
    """- connection: the gate's permission. - endpoint: the hub's address. - what: is asked about, as people call it."""

    def __init__(self, http: Http, connection: Connection, *, endpoint: str, token: str | None, what: str) -> None:
        self.endpoint = endpoint
        self.token = token
        self._http = http
        self._connection = connection
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._requests: set[concurrent.futures.Future[Answer]] = set()
        self._over = threading.Event()

    def run(self, question: Callable[[HfApi], T]) -> T:
        """What `question` returns; to be called in a thread. Raises `SamovarError` only."""
        from samovar_agent.network import hub_transport

        token = running.set(self)
        try:
            return question(hub_transport.api(self.endpoint, self.token, __version__))
        except SamovarError:
            raise
        except Exception as error:
            # The library trusts the hub: what is not as it expects comes as KeyError, RecursionError and the like.
            _log.debug("the hub's answer was not understood", exc_info=True)
            raise nonsense(f"{type(error).__name__}: {error}") from error
        finally:
            running.reset(token)

    def ask(self, url: str) -> Answer:
        """From the library's thread: the answer to a request of it. Raises `PermissionError` for what nobody asked."""
        if self._over.is_set() or not self._is_ours(url):
            raise PermissionError(f"{url} is not what was asked for")
        request = asyncio.run_coroutine_threadsafe(self._ask(url), self._loop)
        self._requests.add(request)
        if self._over.is_set():  # meanwhile
            request.cancel()
        return request.result()

    def close(self) -> None:
        """From the loop: end what still runs; the thread ends by itself then."""
        self._over.set()
        for request in tuple(self._requests):
            request.cancel()

    def _is_ours(self, url: str) -> bool:
        return origin(url) == origin(self.endpoint) and URL(url).path.startswith(
            f"{URL(self.endpoint).path.rstrip('/')}/api/models"
        )

    async def _ask(self, url: str) -> Answer:
        async with self._http.request(self._connection, url, token=self.token) as response:
            if response.status != 200:
                raise refusal_of(response, self._what)
            if page := web_page(response):
                raise page
            return Answer(response.status, dict(response.headers), await response.read(LARGEST_ANSWER))
