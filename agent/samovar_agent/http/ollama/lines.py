"""Streams of Ollama's kind: a line of JSON a piece. Every line is parsed by every client, so there are no comments.

While nothing comes, a line says so that adds nothing to the reply; `samovar` in it tells people what is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from samovar_agent.http.answering import sentence
from samovar_agent.http.dialects import error_shape
from samovar_agent.http.sse import EventStream
from samovar_protocol import SamovarError
from samovar_protocol.values import Progress

Waiting = Callable[[str], bytes]
"""Makes the line that adds nothing. - what is waited for, as far as it is known."""

_WAITING = "samovar.ollama.waiting"


class LineStream(EventStream):
    """See above. Made by `answering.stream`, for a request that `waits_with` was called for."""

    CONTENT_TYPE = "application/x-ndjson"

    def __init__(self, request: web.Request, headers: dict[str, str] | None = None) -> None:
        super().__init__(request, headers)
        self._line: Waiting = request[_WAITING]
        self.HEARTBEAT = self._line("")

    async def comment(self, text: str) -> None:
        """Say it with the next line that adds nothing. None is sent now: loading may yet fail with a status."""
        self.HEARTBEAT = self._line(text)

    async def fail(self, error: SamovarError) -> None:
        """Tell a failure as the last line."""
        await self.send(error_shape(self._request.path)(error) + b"\n")


def waits_with(request: web.Request, line: Waiting) -> None:
    """Say how the request's stream tells that it waits."""
    request[_WAITING] = line


async def told(events: EventStream, progress: Progress) -> None:
    """Progress of waiting and loading, for `answering.stream`."""
    await events.comment(sentence(progress))


def now() -> bytes:
    """The time as replies have it."""
    return timestamp(datetime.now(UTC)).encode()


def timestamp(when: datetime | float) -> str:
    """A time of the same form. - when: or Unix seconds."""
    moment = when if isinstance(when, datetime) else datetime.fromtimestamp(when, UTC)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
