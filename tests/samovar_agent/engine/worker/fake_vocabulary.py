"""A vocabulary of whatever pieces a test cuts a text into."""

from __future__ import annotations

import re
from collections.abc import Iterable

from samovar_agent.engine.worker.fill import FillTokens


class FakeVocabulary:
    """Tokens are made as they are needed; the special ones are `markers`. - ends: end the model's turn."""

    trained_context = 8192

    def __init__(self, markers: Iterable[str] = (), ends: Iterable[str] = ()) -> None:
        self.pieces: list[bytes] = []
        self.special: set[int] = set()
        self._ids: dict[tuple[bytes, bool], int] = {}
        self._markers = tuple(markers)
        for marker in (*self._markers, *ends):
            self.token(marker.encode(), special=True)
        self.end_tokens = frozenset(self._ids[end.encode(), True] for end in ends)
        self.fill_tokens: FillTokens | None = None

    @property
    def vocabulary_size(self) -> int:
        return len(self.pieces)

    def token(self, data: bytes, *, special: bool = False) -> int:
        key = (data, special)
        if key not in self._ids:
            self._ids[key] = len(self.pieces)
            self.pieces.append(data)
            if special:
                self.special.add(self._ids[key])
        return self._ids[key]

    def piece(self, token: int, *, special: bool = False) -> bytes:
        return b"" if token in self.special and not special else self.pieces[token]

    def tokenize(self, text: str, *, special: bool, bos: bool = False) -> list[int]:
        """A token a byte, but for markers."""
        markers = [self.pieces[token].decode() for token in sorted(self.special)] if special else []
        parts = re.split("(" + "|".join(map(re.escape, markers)) + ")", text) if markers else [text]
        tokens: list[int] = []
        for part in parts:
            if part in markers:
                tokens.append(self.token(part.encode(), special=True))
            else:
                tokens += [self.token(bytes([byte])) for byte in part.encode()]
        return tokens

    def cut(self, text: str, sizes: Iterable[int]) -> list[int]:
        """`text` as tokens of so many bytes each, the last of `sizes` for all that is left; markers stay whole."""
        tokens: list[int] = []
        order = list(sizes)
        size = order.pop(0)
        split = "(" + "|".join(map(re.escape, self._markers)) + ")"
        for part in re.split(split, text) if self._markers else [text]:
            if part in self._markers:
                tokens.append(self.token(part.encode(), special=True))
                continue
            data = part.encode()
            while data:
                tokens.append(self.token(data[:size]))
                data = data[size:]
                size = order.pop(0) if order else size
        return tokens
