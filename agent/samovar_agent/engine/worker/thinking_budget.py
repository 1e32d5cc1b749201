"""An end to reasoning that takes too long: after so many tokens the model is made to write the marker that ends it."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from typing import Literal, Self


class ThinkingBudget:
    """Counts the tokens that one reply thinks.

        thinking = ThinkingBudget(1000, begin="<think>", end="</think>", closing=[7], begun=False)
        token = thinking.instead_of(token, piece)

    - budget: of tokens. - begin, end: texts around the reasoning. - closing: the tokens of `end`. - begun: whether the
    prompt has begun it already.
    """

    def __init__(self, budget: int, *, begin: str, end: str, closing: Sequence[int], begun: bool) -> None:
        self._left = budget
        self._begin, self._end = begin.encode(), end.encode()
        self._closing = deque(closing)
        self._state: Literal["before", "inside", "closing", "over"] = "inside" if begun else "before"
        self._text = b""

    def instead_of(self, token: int, piece: bytes) -> int:
        """The token to write where the model chose `token`, of these bytes: the same one, nearly always."""
        match self._state:
            case "before":
                self._look_for_begin(piece)
            case "inside":
                return self._inside(token, piece)
            case "closing":
                return self._close()
        return token

    def fork(self) -> Self:
        """One for another reply, in the state of this one."""
        other = copy.copy(self)
        other._closing = self._closing.copy()
        return other

    def _look_for_begin(self, piece: bytes) -> None:
        self._text += piece
        text = self._text.lstrip()
        if text.startswith(self._begin):
            self._state, self._text = "inside", text[len(self._begin) :]
        elif not self._begin.startswith(text):
            self._state = "over"

    def _inside(self, token: int, piece: bytes) -> int:
        text = self._text + piece
        if self._end in text:
            self._state = "over"
            return token
        if not self._left:
            return self._close()
        self._left -= 1
        self._text = text[-len(self._end) :]
        return token

    def _close(self) -> int:
        token = self._closing.popleft()
        self._state = "closing" if self._closing else "over"
        return token
