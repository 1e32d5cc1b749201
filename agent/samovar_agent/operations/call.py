"""One request being served: what its handler may use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from samovar_agent.services import Services
from samovar_protocol.replies import ChatReply, DocsAskReply, DocsSearchReply, EmbedReply, RerankReply
from samovar_protocol.values import AnyDelta, Progress

R = TypeVar("R", ChatReply, DocsAskReply, DocsSearchReply, EmbedReply, RerankReply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The agent's services and the way back to the client.

    - send: one chunk of a streamed answer. When the client has left, the handler is cancelled; nothing is raised, since
      progress is often told from the task of somebody whom that must not end.
    - cancel: stop another request of the same client; whether there was one.
    - requester: who asks, for the journal.
    """

    services: Services
    send: Callable[[AnyDelta | Progress], Any]
    cancel: Callable[[str], bool]
    requester: str

    async def relay(self, items: AsyncGenerator[AnyDelta | Progress | R, None]) -> R:
        """Send what comes on the way, and return the reply; whoever leaves early stops the work."""
        async with aclosing(items):
            async for item in items:
                if not isinstance(item, AnyDelta | Progress):
                    return item
                self.send(item)
        raise AssertionError("a request ends with its reply or raises")
