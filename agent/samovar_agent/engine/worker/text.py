"""From the bytes of tokens to text for people: whole characters only, and no stop text ever shows."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class StopFilter:
    """Takes text as it comes and gives what may be shown: all before the first stop text that is complete.

        stops = StopFilter(["END"])
        stops.feed("the EN")      # "the "
        stops.feed("D of it")     # "", and stops.stopped

    However the text is split, the result is the same.
    - withheld: characters at the end of what came that are not shown: not yet, or, once `stopped`, never.
    - found: the stop text that was complete first.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.found: str | None = None
        self.withheld = 0
        self._stops = tuple(stops)
        self._held = ""

    @property
    def stopped(self) -> bool:
        """Whether a stop text was complete."""
        return self.found is not None

    def feed(self, new: str) -> str:
        """What may be shown now; empty once `stopped`."""
        if self.stopped:
            self.withheld += len(new)
            return ""
        if not self._stops:
            return new
        text = self._held + new
        stop = self._first_stop(text)
        if stop is not None:
            end, self.found = stop
            self._held = ""
        else:
            end = self._possible_start(text)
            self._held = text[end:]
        self.withheld = len(text) - end
        return text[:end]

    def finish(self) -> str:
        """What was held back, now that nothing follows."""
        text, self._held = self._held, ""
        self.withheld -= len(text)
        return text

    def _first_stop(self, text: str) -> tuple[int, str] | None:
        """The stop text that is complete first, and where it begins; so the split of the text makes no difference."""
        found = [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        return min(found)[1:] if found else None

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


class TextStream:
    """The same for bytes.

        stream = TextStream(["END"])
        stream.feed(b"the EN")      # "the "

    - stops: the text ends before the first of them that is complete, wherever the bytes were split.
    - decoded: whole characters so far, shown or not. - withheld: as in `StopFilter`.
    Bytes that are not UTF-8 become U+FFFD.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._filter = StopFilter(stops)
        self.decoded = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop text was complete."""
        return self._filter.stopped

    @property
    def found(self) -> str | None:
        """The stop text that was complete first."""
        return self._filter.found

    @property
    def withheld(self) -> int:
        """Of `decoded`, the last ones, which are not shown."""
        return self._filter.withheld

    def feed(self, data: bytes) -> str:
        """What may be shown now; empty once `stopped`."""
        text = self._decoder.decode(data)
        self.decoded += len(text)
        return self._filter.feed(text)

    def finish(self) -> str:
        """What was held back, now that nothing follows."""
        text = self._decoder.decode(b"", True)
        self.decoded += len(text)
        return self._filter.feed(text) + self._filter.finish()
