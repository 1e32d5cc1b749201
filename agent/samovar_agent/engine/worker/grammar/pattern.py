"""Regular expressions of JSON Schema (ECMA 262, without what looks around) as automata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from samovar_agent.engine.worker.grammar.automaton import MAX_POINT, Interval
from samovar_agent.engine.worker.grammar.limits import Steps, refusal

_MAX_GROUPS = 50
"""Groups inside one another."""
_CONTROL = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D, "0": 0x00}
_HEX_DIGITS = {"x": 2, "u": 4}
_DIGIT: list[Interval] = [(0x30, 0x39)]
_WORD: list[Interval] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_SPACE: list[Interval] = [
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
]  # fmt: skip
_ANY: list[Interval] = [(0, MAX_POINT)]
_LINE_ENDS: list[Interval] = [(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]

_Fragment = tuple[int, int]
_State = frozenset[int]


class Pattern:
    """The texts in which a regular expression is found; `^` and `$` hold it to the beginning and the end.

    Raises `bad_request` for what is not regular (`(?=`, `\\1`, `\\b`), not valid, or too large.
    """

    def __init__(self, source: str, path: str, steps: Steps) -> None:
        self._source, self._path, self._steps = source, path, steps
        self._at = 0
        self._groups = 0
        self._skips: list[list[int]] = []
        self._moves: list[list[tuple[list[Interval], int]]] = []
        self._closures: dict[int, _State] = {}
        first, self._last = self._found()
        if self._at < len(source):
            self._fail("has a ')' too many, or a '$' that is not at its end")
        self.start = self._closure(first)

    def cuts(self) -> Iterable[int]:
        """Where one of its character classes begins or has ended."""
        for moves in self._moves:
            for intervals, _ in moves:
                for low, high in intervals:
                    yield low
                    if high < MAX_POINT:
                        yield high + 1

    def step(self, state: _State, point: int) -> _State | None:
        """Follow one character on every way that is open."""
        after: set[int] = set()
        self._steps.take(self._path, len(state))
        for one in state:
            for intervals, target in self._moves[one]:
                if any(low <= point <= high for low, high in intervals):
                    after |= self._closure(target)
        return frozenset(after) or None

    def accepts(self, state: _State) -> bool:
        """Whether the whole expression was found."""
        return self._last in state

    def _closure(self, state: int) -> _State:
        found = self._closures.get(state)
        if found is None:
            reached = {state}
            waiting = [state]
            while waiting:
                for target in self._skips[waiting.pop()]:
                    self._steps.take(self._path)
                    if target not in reached:
                        reached.add(target)
                        waiting.append(target)
            found = self._closures[state] = frozenset(one for one in reached if self._moves[one] or one == self._last)
        return found

    # Building: every part is a fragment, from the state it begins in to the one it ends in.

    def _state(self) -> int:
        self._steps.take(self._path)
        self._skips.append([])
        self._moves.append([])
        return len(self._skips) - 1

    def _set(self, intervals: list[Interval]) -> _Fragment:
        first, last = self._state(), self._state()
        self._moves[first].append((intervals, last))
        return first, last

    def _anything(self) -> _Fragment:
        state = self._state()
        self._moves[state].append((_ANY, state))
        return state, state

    def _chain(self, parts: list[_Fragment]) -> _Fragment:
        first = last = self._state()
        for begin, end in parts:
            self._skips[last].append(begin)
            last = end
        return first, last

    def _choice(self, parts: list[_Fragment]) -> _Fragment:
        first, last = self._state(), self._state()
        for begin, end in parts:
            self._skips[first].append(begin)
            self._skips[end].append(last)
        return first, last

    # Parsing.

    def _found(self) -> _Fragment:
        """The whole expression: only its outermost alternatives may be held to the ends."""
        branches = []
        while True:
            parts = [] if self._take("^") else [self._anything()]
            parts.append(self._sequence())
            if not self._take("$"):
                parts.append(self._anything())
            branches.append(self._chain(parts))
            if not self._take("|"):
                return self._choice(branches)

    def _alternatives(self) -> _Fragment:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        return self._choice(branches)

    def _sequence(self) -> _Fragment:
        parts = []
        while self._at < len(self._source) and self._source[self._at] not in "|)$":
            parts.append(self._repeated())
        return self._chain(parts)

    def _repeated(self) -> _Fragment:
        begin = self._at
        part = self._single()
        counts = self._quantifier()
        if counts is None:
            return part
        low, high = counts
        self._take("?")  # being reluctant changes what is found first, not what is found
        end = self._at
        if self._quantifier() is not None:
            self._fail("has two quantifiers in a row")

        def again() -> _Fragment:
            # Read once more instead of copied: the text is the simplest form that a part can be built from twice.
            self._at = begin
            return self._single()

        parts = [part] if low else []
        parts.extend(again() for _ in range(low - 1))
        last = self._state()
        if high is None:
            loop = again()
            self._skips[loop[1]].append(loop[0])
            parts.append(self._choice([loop, self._chain([])]))
        else:
            for _ in range(high - low):
                optional = again()
                self._skips[optional[0]].append(last)
                parts.append(optional)
        self._at = end
        first, final = self._chain(parts)
        self._skips[final].append(last)
        return first, last

    def _quantifier(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return counts
        if not self._take("{"):
            return None
        low_text, comma, high_text = self._until("}").partition(",")
        low = self._count(low_text)
        high = self._count(high_text) if high_text else None if comma else low
        if high is not None and high < low:
            self._fail("repeats something from more to fewer times")
        return low, high

    def _count(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 7):
            self._fail("has a '{' without counts that can be had; a '{' itself is written '\\{'")
        return int(text)

    def _single(self) -> _Fragment:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return self._set(self._class())
        if character == ".":
            return self._set(_complement(_LINE_ENDS))
        if character == "\\":
            return self._set(self._escape())
        if character == "^":
            self._fail("has a '^' that is not at its beginning")
        if character in "*+?{":
            self._fail(f"has nothing before a '{character}'")
        return self._set([(ord(character), ord(character))])

    def _group(self) -> _Fragment:
        if self._take("?") and not self._take(":"):
            if not (self._take("<") or self._take("P<")) or self._source[self._at : self._at + 1] in ("=", "!", ""):
                self._fail("looks ahead or back, which no grammar can")
            self._until(">")
        self._groups += 1
        if self._groups > _MAX_GROUPS:
            self._fail(f"has more than {_MAX_GROUPS} groups inside one another")
        inner = self._alternatives()
        self._groups -= 1
        if self._source[self._at : self._at + 1] == "$":
            self._fail("has a '$' that is not at its end")
        if not self._take(")"):
            self._fail("has a '(' without its ')'")
        return inner

    def _class(self) -> list[Interval]:
        negated = self._take("^")
        intervals: list[Interval] = []
        while not self._take("]"):
            left = self._member()
            if self._source[self._at : self._at + 1] == "-" and self._source[self._at + 1 : self._at + 2] not in (
                "]",
                "",
            ):
                self._at += 1
                right = self._member()
                if not _is_one(left) or not _is_one(right) or left[0][0] > right[0][1]:
                    self._fail("has a range of characters that is none")
                left = [(left[0][0], right[0][1])]
            intervals.extend(left)
        return _complement(intervals) if negated else intervals

    def _member(self) -> list[Interval]:
        character = self._next()
        if character != "\\":
            return [(ord(character), ord(character))]
        if self._take("b"):
            return [(0x08, 0x08)]
        return self._escape()

    def _escape(self) -> list[Interval]:
        letter = self._next()
        known = {"d": _DIGIT, "w": _WORD, "s": _SPACE}.get(letter.lower())
        if known is not None:
            return known if letter.islower() else _complement(known)
        if letter in _CONTROL:
            return [(_CONTROL[letter], _CONTROL[letter])]
        if letter in _HEX_DIGITS:
            if letter == "u" and self._take("{"):
                return self._point(self._until("}"))
            digits = _HEX_DIGITS[letter]
            self._at += digits
            return self._point(self._source[self._at - digits : self._at].ljust(digits))
        if letter.isalnum():
            self._fail(f"has '\\{letter}', which a grammar cannot follow")
        return [(ord(letter), ord(letter))]

    def _point(self, text: str) -> list[Interval]:
        if not text or len(text) > 6 or set(text.lower()) - set("0123456789abcdef") or int(text, 16) > MAX_POINT:
            self._fail("has a character number that is none")
        return [(int(text, 16), int(text, 16))]

    def _next(self) -> str:
        if self._at >= len(self._source):
            self._fail("ends too early")
        self._steps.take(self._path)
        self._at += 1
        return self._source[self._at - 1]

    def _take(self, text: str) -> bool:
        if not self._source.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _until(self, end: str) -> str:
        found = self._source.find(end, self._at)
        if found < 0:
            self._fail(f"has no '{end}' where one must be")
        text = self._source[self._at : found]
        self._at = found + 1
        return text

    def _fail(self, what: str) -> NoReturn:
        raise refusal(self._path, f"has a pattern that {what}")


def _is_one(intervals: list[Interval]) -> bool:
    return len(intervals) == 1 and intervals[0][0] == intervals[0][1]


def _complement(intervals: list[Interval]) -> list[Interval]:
    result = []
    following = 0
    for low, high in sorted(intervals):
        if low > following:
            result.append((following, low - 1))
        following = max(following, high + 1)
    return [*result, (following, MAX_POINT)] if following <= MAX_POINT else result
