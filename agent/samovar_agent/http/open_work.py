"""Work that is being answered, so that it can be ended from outside: by a shutdown or a revoked token.

with open_work.begin(token) as job:
    async with job.interruptible():     # raises the SamovarError that `job.end` was given
        ...
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType

from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.values import Scope, TokenInfo


class Job:
    """One request being answered; counts as open between its two ends.

    - token: the valid API token that it came with, if any. - client: who asks; where several wait, clients take turns.
    - counted_as: as whose request it counts; None where nobody counts. - check_scope: raises where what a body asks
    for needs a further scope that the request's token lacks. - streaming: it is answered as a stream.
    """

    __slots__ = ("_failure", "_scope", "_work", "check_scope", "client", "counted_as", "streaming", "token")

    def __init__(self, work: OpenWork, token: TokenInfo | None, client: str, counted_as: str | None) -> None:
        self._work = work
        self.token, self.client, self.counted_as = token, client, counted_as
        self.check_scope: Callable[[Scope], object] = _everything
        self.streaming = False
        self._failure: Failure | None = None
        self._scope: asyncio.Timeout | None = None

    def __enter__(self) -> Job:
        self._work.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.leave(self)

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
    """All jobs. - most_of_one: how many that count as the same client's there may be at once."""

    def __init__(self, most_of_one: Callable[[], int] = lambda: sys.maxsize) -> None:
        self._most_of_one = most_of_one
        self._jobs: set[Job] = set()
        self._of_clients: Counter[str] = Counter()
        self._none_left: asyncio.Event | None = None

    def begin(self, token: TokenInfo | None, client: str, counted_as: str | None = None) -> Job:
        """A job, to be entered; that raises `busy` where its client has too many. Arguments as of `Job`."""
        return Job(self, token, client, counted_as)

    def enter(self, job: Job) -> None:
        """A job begins."""
        if (one := job.counted_as) is not None:
            running = self._of_clients[one]
            if running >= self._most_of_one():
                raise SamovarError(
                    FailureCode.BUSY,
                    f"{running:,} of your requests are being answered already, as many as one client may have.",
                    hint="Wait for one of them, or raise the setting server.max_requests_per_client.",
                    details={"queued": running, "limit": running},
                )
            self._of_clients[one] += 1
        self._jobs.add(job)

    def leave(self, job: Job) -> None:
        """Its response is written."""
        self._jobs.discard(job)
        if (one := job.counted_as) is not None:
            self._of_clients[one] -= 1
            if not self._of_clients[one]:
                del self._of_clients[one]
        if self._none_left is not None and not self._jobs:
            self._none_left.set()

    @property
    def streams(self) -> int:
        """How many of the jobs are answered as streams."""
        return sum(job.streaming for job in self._jobs)

    def end_revoked(self, token: TokenInfo) -> None:
        """End what came with this token, which was revoked or has expired."""
        for job in tuple(self._jobs):
            # Names are unique among live tokens; that of an expired one may have been given to another.
            if job.token and (job.token.name, job.token.created_at) == (token.name, token.created_at):
                job.end(_worthless(token))

    async def end_all(self, failure: Failure, *, within: float) -> None:
        """End every job and wait until they have said so to their clients, at most so many seconds."""
        for job in tuple(self._jobs):
            job.end(failure)
        if self._jobs:
            self._none_left = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._none_left.wait()
            self._none_left = None


def _worthless(token: TokenInfo) -> Failure:
    what = "expired" if token.revoked_at is None else "was revoked"
    return Failure(
        code=FailureCode.UNAUTHORIZED,
        message=f"The API token '{token.name}' {what} while the reply was under way.",
        hint="Use another one; `samovar server token create` makes it.",
    )


def _everything(scope: Scope) -> None: ...
