"""Limits that editors set to a reply: how far its lines are indented, and how long it may take after its first line."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from samovar_agent.engine.worker.reply_parser import ReplyParser
from samovar_protocol.values import AnyDelta, FinishReason, Text, TokenLogprob


class LimitedLines:
    """A reply that ends early where `reply`, which is nothing but text, would go on.

    - indent: it ends before the first further line, empty ones aside, that is indented less. - seconds: after so long
    from the first token it ends once it has had a line break; None never. - now: the time, in seconds.
    """

    def __init__(
        self, reply: ReplyParser, *, indent: int, seconds: float | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._reply, self._indent, self._seconds, self._now = reply, indent, seconds, now
        self._began: float | None = None
        self._broken = self._late = self._outdented = False
        self._width: int | None = None  # of the newest line's indentation, while that is all there is of it
        self._held: list[AnyDelta] = []  # from its line break on

    @property
    def stopped(self) -> bool:
        """Whether nothing more will be shown."""
        return self._late or self._outdented or self._reply.stopped

    @property
    def stop_text(self) -> str | None:
        """The stop text that is complete, where that is what ended it."""
        return None if self._late or self._outdented else self._reply.stop_text

    def feed(self, token: int, logprob: TokenLogprob | None) -> list[AnyDelta]:
        """What may be shown now."""
        if self._began is None:
            self._began = self._now()
        shown = self._limited(self._reply.feed(token, logprob))
        self._late = self._seconds is not None and self._broken and self._now() - self._began > self._seconds
        return shown

    def finish(self) -> list[AnyDelta]:
        """What was held back."""
        rest = self._limited(self._reply.finish())
        return [*rest, *self._held]

    def finish_reason(self, ended: FinishReason) -> FinishReason:
        """These limits are limits; what else ends it, the reply knows."""
        return "length" if self._late or self._outdented else self._reply.finish_reason(ended)

    def _limited(self, deltas: list[AnyDelta]) -> list[AnyDelta]:
        shown: list[AnyDelta] = []
        for delta in deltas:
            if isinstance(delta, Text) and not self._outdented:
                self._broken = self._broken or "\n" in delta.text
                shown += self._lines(delta) if self._indent else [delta]
        return shown

    def _lines(self, delta: Text) -> list[AnyDelta]:
        """What is certain to stay, now that there is this, too."""
        certain = self._certain(delta.text)
        if not certain:
            self._held = [] if self._outdented else [*self._held, delta]
            return []
        shown = [*self._held, msgspec.structs.replace(delta, text=delta.text[:certain])]
        rest = "" if self._outdented else delta.text[certain:]
        self._held = [msgspec.structs.replace(delta, text=rest, tokens=0, logprobs=[])] if rest else []
        return shown

    def _certain(self, text: str) -> int:
        """How much of a piece stays; with some of it, all that was held back does."""
        certain = 0
        for place, character in enumerate(text):
            if character == "\n":
                self._width = 0
            elif self._width is None:
                certain = place + 1
            elif character in " \t":
                self._width += 1
            elif character != "\r":
                if self._width < self._indent:
                    self._outdented = True
                    break
                self._width = None
                certain = place + 1
        return certain
