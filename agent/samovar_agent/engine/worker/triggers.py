"""Where a lazy grammar begins: texts that are looked for in what the model writes."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from typing import Self


class Triggers:
    """Looks for the first trigger in a reply, outside of its reasoning.

    Parameters as in `Constraint`.
    """

    def __init__(
        self,
        anywhere: Sequence[str],
        at_start: Sequence[str] = (),
        *,
        reasoning: tuple[str, str] | None = None,
        reasoning_open: bool = False,
    ) -> None:
        self._anywhere = [trigger.encode() for trigger in anywhere]
        self._at_start = [trigger.encode() for trigger in at_start]
        self._opener, self._closer = (text.encode() for text in reasoning or ("", ""))
        self._reasoning = bool(self._closer) and reasoning_open
        self._starting = bool(self._at_start)
        longest = max(map(len, (*self._anywhere, *self._at_start, self._opener, self._closer)))
        self._room = 2 * longest + 16  # some white space before a trigger at the start
        self._fresh = b""  # the newest text that is still to be looked through
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=self._room + 4)

    def feed(self, token: int, piece: bytes) -> tuple[str, list[int]] | None:
        """Take the next token; if it completes a trigger, say where that begins.

        Returns the earlier tokens that the trigger begins in or behind, and the text before it in the first of those
        (the new one, where there are none).
        """
        if not piece:
            return None
        self._recent.append((token, piece))
        self._fresh += piece
        while True:
            if self._reasoning:
                _, found, rest = self._fresh.partition(self._closer)
                if not found:
                    break
                self._reasoning, self._starting, self._fresh = False, bool(self._at_start), rest
            at = self._find()
            opener = self._fresh.find(self._opener) if self._opener else -1
            if at >= 0 and not 0 <= opener < at:
                length = len(self._fresh) - at
                self._fresh, self._starting = self._fresh[at + 1 :], False
                return self._place(length)
            if opener < 0:
                break
            self._reasoning, self._fresh = True, self._fresh[opener + len(self._opener) :]
        self._fresh = self._fresh[-self._room :]
        return None

    def fork(self) -> Self:
        """One for another reply, in the state of this one."""
        other = copy.copy(self)
        other._recent = self._recent.copy()
        return other

    def _find(self) -> int:
        """Where the first trigger begins in the text to look through; -1 for none."""
        places = [self._fresh.find(trigger) for trigger in self._anywhere]
        if self._starting:
            text = self._fresh.lstrip()
            if text.startswith(tuple(self._at_start)):
                places.append(len(self._fresh) - len(text))
            possible = any(trigger.startswith(text) for trigger in self._at_start)
            self._starting = possible and len(self._fresh) < self._room
        return min((place for place in places if place >= 0), default=-1)

    def _place(self, length: int) -> tuple[str, list[int]] | None:
        """The tokens that hold the last `length` bytes, as `feed` returns them; None where no text is before these."""
        tokens: list[int] = []
        text = b""
        for token, piece in reversed(self._recent):
            tokens.append(token)
            text = piece + text
            if len(text) >= length:
                try:
                    return text[: len(text) - length].decode(), tokens[:0:-1]
                except UnicodeDecodeError:  # the token begins inside of a character
                    continue
        return None
