"""Work that is being answered, so that it can be ended from outside: by a shutdown or a revoked token.

with open_work.begin(token) as job:
    async with job.interruptible():     # raises the SamovarError that `job.end` was given
        ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.values import Scope, TokenInfo


class Job:
    """One request being answered.

    - token: the valid API token that it came with, if any. - client: who asks; where several wait, clients take turns.
    - check_scope: raises where what a body asks for needs a further scope that the request's token lacks.
    - streaming: it is answered as a stream.
    """

    def __init__(self, token: TokenInfo | None, client: str) -> None:
        self.token, self.client = token, client
        self.check_scope: Callable[[Scope], object] = lambda scope: None
        self.streaming = False
        self._failure: Failure | None = None
        self._scope: asyncio.Timeout | None = None

    def end(self, failure: Failure) -> None:
        """Stop it now, with this failure; the first one counts."""
        if self._failure is None:
            self._failure = failure
            if self._scope is not None:
                self._scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """The part that `end` cuts short. A time-out without a time: it costs nothing until it is used."""
        if self._failure is not None:
            raise SamovarError.of(self._failure)
        try:
            async with asyncio.timeout(None) as self._scope:
                yield
        except TimeoutError:
            if self._failure is None:
                raise
            raise SamovarError.of(self._failure) from None
        finally:
            self._scope = None


class OpenWork:
    """All jobs."""

    def __init__(self) -> None:
        self._jobs: set[Job] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    @contextmanager
    def begin(self, token: TokenInfo | None, client: str) -> Iterator[Job]:
        """A job that counts as open until its response is written."""
        job = Job(token, client)
        self._jobs.add(job)
        self._none_left.clear()
        try:
            yield job
        finally:
            self._jobs.discard(job)
            if not self._jobs:
                self._none_left.set()

    @property
    def streams(self) -> int:
        """How many of the jobs are answered as streams."""
        return sum(job.streaming for job in self._jobs)

    def end_revoked(self, token: TokenInfo) -> None:
        """End what came with this token. Names are unique among live tokens."""
        for job in tuple(self._jobs):
            if job.token is not None and job.token.name == token.name:
                job.end(_revoked(token))

    async def end_all(self, failure: Failure, *, within: float) -> None:
        """End every job and wait until they have said so to their clients, at most so many seconds."""
        for job in tuple(self._jobs):
            job.end(failure)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none_left.wait(), within)


def _revoked(token: TokenInfo) -> Failure:
    return Failure(
        code=FailureCode.UNAUTHORIZED,
        message=f"The API token '{token.name}' was revoked while the reply was under way.",
        hint="Use another one; `samovar server token create` makes it.",
    )
