"""Streams of Ollama's kind: a line of JSON a piece. Every line is parsed by every client, so there are no comments.

While nothing comes, a line says so that adds nothing to the reply; `samovar` in it tells people what is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from aiohttp import web

from samovar_agent.http.answering import sentence
from samovar_agent.http.dialects import error_shape
from samovar_agent.http.sse import EventStream
from samovar_protocol import SamovarError
from samovar_protocol.values import Progress

_NONE: Mapping[str, str] = MappingProxyType({})
Waiting = Callable[[str], bytes]
"""Makes the line that adds nothing. - what is waited for, as far as it is known."""


class LineStream(EventStream):
    """See above. - waiting: makes the line that adds nothing. - further: headers."""

    CONTENT_TYPE = "application/x-ndjson"

    def __init__(
        self, request: web.Request, headers: dict[str, str], *, waiting: Waiting, further: Mapping[str, str] = _NONE
    ) -> None:
        super().__init__(request, {**headers, **further})
        self._line = waiting
        self.HEARTBEAT = waiting("")

    async def comment(self, text: str) -> None:
        """Say it with the next line that adds nothing. None is sent now: loading may yet fail with a status."""
        self.HEARTBEAT = self._line(text)

    async def fail(self, error: SamovarError) -> None:
        """Tell a failure as the last line."""
        await self.send(error_shape(self._request.path)(error) + b"\n")


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
