"""From the bytes of tokens to text for people: whole characters only, and no stop text ever shows."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Takes a reply's bytes as they come and gives the text that may be shown.

        stream = TextStream(["END"])
        stream.feed(b"the EN")      # "the "
        stream.feed(b"D of it")     # "", and stream.stopped

    - stops: the text ends before the first of them that is complete, wherever the bytes were split.
    Bytes that are not UTF-8 become U+FFFD.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.stopped = False
        self._stops = tuple(stops)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = ""

    def feed(self, data: bytes) -> str:
        """What may be shown now; empty once `stopped`."""
        return self._take(self._decode(data))

    def finish(self) -> str:
        """What was held back, now that nothing follows."""
        text = self._take(self._decode(b"", True))
        if self.stopped:
            return text
        text, self._held = text + self._held, ""
        return text

    def _take(self, new: str) -> str:
        if self.stopped:
            return ""
        if not self._stops:
            return new
        text = self._held + new
        end = self._first_stop(text)
        if end is not None:
            self.stopped = True
            self._held = ""
            return text[:end]
        keep = self._possible_start(text)
        self._held = text[keep:]
        return text[:keep]

    def _first_stop(self, text: str) -> int | None:
        """Where the stop text begins that is complete first; so the split of the bytes makes no difference."""
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def _possible_start(self, text: str) -> int:
        """Where a stop text may have begun; the end of `text` where none has."""
        first = len(text)
        for stop in self._stops:
            at = text.find(stop[0], max(0, len(text) - len(stop) + 1))
            while 0 <= at < first:
                if stop.startswith(text[at:]):
                    first = at
                    break
                at = text.find(stop[0], at + 1)
        return first
