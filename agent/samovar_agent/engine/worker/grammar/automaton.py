"""Finite automata for texts without structure: patterns, lengths and bounds of numbers, alone and together.

llama.cpp follows every reading of an ambiguous grammar at once, so a pattern such as `(a*)*` would cost more with each
character. An automaton has one reading, and two of them at once are one automaton again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol

from samovar_agent.engine.worker.grammar.limits import Steps
from samovar_agent.engine.worker.grammar.rules import Alternative, Ref, Rules, char_class, literal

MAX_POINT = 0x10FFFF
Interval = tuple[int, int]

# Everything in a JSON text that needs no escape; DEL is left out since nobody means it.
PLAIN: tuple[Interval, ...] = ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0x80, 0xD7FF), (0xE000, MAX_POINT))
_ESCAPES = {0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r", 0x22: '"', 0x5C: "\\"}


class Automaton(Protocol):
    """Reads a text character by character; a state of None cannot be left any more."""

    start: Any

    def cuts(self) -> Iterable[int]:
        """The first code point of every range within which all characters are the same to it."""
        ...

    def step(self, state: Any, point: int) -> Any:
        """The state after one more character."""
        ...

    def accepts(self, state: Any) -> bool:
        """Whether the text may end here."""
        ...


class Length:
    """Texts of `low` to `high` characters; without `high` of any length."""

    def __init__(self, low: int, high: int | None) -> None:
        self.start = 0
        self._low, self._high = low, high

    def cuts(self) -> Iterable[int]:
        """All characters are the same."""
        return ()

    def step(self, state: int, point: int) -> int | None:
        """Counts, as far as it matters."""
        if self._high is None:
            return min(state + 1, self._low)
        return state + 1 if state < self._high else None

    def accepts(self, state: int) -> bool:
        """Whether the text is long enough."""
        return state >= self._low


class Without:
    """Texts that do not hold `marker`."""

    def __init__(self, marker: str) -> None:
        self.start = 0
        self._marker = marker
        self._letters = sorted({ord(letter) for letter in marker})

    def cuts(self) -> Iterable[int]:
        """Around each of the marker's characters."""
        return (cut for letter in self._letters for cut in (letter, letter + 1))

    def step(self, state: int, point: int) -> int | None:
        """How much of the marker stands at the end."""
        text = self._marker[:state] + chr(point)
        if text == self._marker:
            return None
        return next(size for size in range(len(text), -1, -1) if text.endswith(self._marker[:size]))

    def accepts(self, state: int) -> bool:
        """The text may end anywhere."""
        return True


def matches(automata: Sequence[Automaton], text: str) -> bool:
    """Whether every one of them takes `text`."""
    for automaton in automata:
        state = automaton.start
        for character in text:
            state = automaton.step(state, ord(character))
            if state is None:
                return False
        if not automaton.accepts(state):
            return False
    return True


def add_rules(rules: Rules, automata: Sequence[Automaton], *, quoted: bool, steps: Steps, path: str) -> str:
    """The name of a rule for the texts that every one of `automata` takes.

    - quoted: as a JSON string with its quotation marks, and not as it is.
    Control characters other than \\b \\t \\n \\f \\r are never written. Raises `bad_request` where it is too large.
    """
    cuts = sorted({0, *(cut for automaton in automata for cut in automaton.cuts())})
    ranges = list(zip(cuts, [*(cut - 1 for cut in cuts[1:]), MAX_POINT], strict=True))
    start: tuple[Hashable, ...] = tuple(automaton.start for automaton in automata)
    names = {start: rules.reserve()}
    waiting = [start]
    while waiting:
        state = waiting.pop()
        steps.take(path, len(ranges) * len(automata))
        targets: dict[tuple[Hashable, ...], list[Interval]] = {}
        for low, high in ranges:
            after = []
            for automaton, part in zip(automata, state, strict=True):
                following = automaton.step(part, low)
                if following is None:
                    break
                after.append(following)
            else:
                targets.setdefault(tuple(after), []).append((low, high))
        alternatives: list[Alternative] = []
        for target, intervals in targets.items():
            if target not in names:
                names[target] = rules.reserve()
                waiting.append(target)
            terminals = _terminals(intervals) if quoted else [char_class(_joined(intervals))]
            alternatives += [[terminal, Ref(names[target])] for terminal in terminals]
        if all(automaton.accepts(part) for automaton, part in zip(automata, state, strict=True)):
            alternatives.append([literal('"')] if quoted else [])
        rules.define(names[state], alternatives)
    return rules.add([[literal('"'), Ref(names[start])]]) if quoted else names[start]


def _terminals(intervals: Iterable[Interval]) -> list[str]:
    """The characters as a JSON string has them: as they are, or behind a backslash."""
    plain = [
        (max(low, first), min(high, last))
        for low, high in _joined(intervals)
        for first, last in PLAIN
        if low <= last and first <= high
    ]
    escaped = [
        (ord(letter), ord(letter))
        for point, letter in _ESCAPES.items()
        if any(low <= point <= high for low, high in intervals)
    ]
    terminals = [char_class(plain)] if plain else []
    if escaped:
        terminals.append(f"{literal(chr(92))} {char_class(escaped)}")
    return terminals


def _joined(intervals: Iterable[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for low, high in intervals:
        if joined and joined[-1][1] + 1 == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined
