"""A user's own grammar, looked at before llama.cpp sees it.

llama.cpp recurses for every bracket, follows left recursion that hides behind something empty until memory is full, and
takes hours over a few dozen rules that each mention the next one twice. All of that would cost the whole worker, so it
is found here, and so is what is simply not GBNF, since llama.cpp tells the reason to nobody but its log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from samovar_protocol import FailureCode, SamovarError

MAX_BYTES = 256 * 1024
MAX_NESTING = 100
MAX_REPEATS = 2000
"""llama.cpp's own limit."""
MAX_ELEMENTS = 1_000_000
"""Characters, classes and rules once everything is written out that is repeated; 8 bytes each."""
MAX_VISITS = 500_000
"""Steps of llama.cpp's search for left recursion, which looks at a rule again for every mention."""
MAX_CHAIN = 4000
"""Rules that begin with one another; llama.cpp recurses for each."""

_NAME = re.compile(r"[A-Za-z0-9-]+")
_SPACE = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_CHARACTER = re.compile(r'\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[trn\\"\[\]-])|[^\\]')
_TOKEN = re.compile(r"!?<(?:\[\d{1,9}\]|[^>]*)>")
_COUNTS = re.compile(r"\{[ \t]*(\d{1,9})[ \t]*(,[ \t]*(\d{1,9})?[ \t]*)?\}")


def check_grammar(gbnf: str) -> None:
    """Refuse a grammar that llama.cpp cannot be given; raises `bad_request` with the line and the reason.

    It must be at most 256 KiB, begin with a rule `root`, nest at most 100 brackets and repeat nothing more than 2000
    times. Whether a token in angle brackets is one of the model's is left to llama.cpp.
    """
    try:
        size = len(gbnf.encode())
    except UnicodeEncodeError as error:
        raise _refusal("holds half a character") from error
    if size > MAX_BYTES:
        raise _refusal(f"has {size} bytes, which is more than {MAX_BYTES}")
    if "\0" in gbnf:
        raise _refusal("holds a NUL character")
    rules = _Parser(gbnf).rules()
    if "root" not in rules:
        raise _refusal("has no rule 'root'")
    if sum(_elements(one) for alternatives in rules.values() for one in alternatives) > MAX_ELEMENTS:
        raise _refusal("becomes too large when its repetitions are written out")
    _check_beginnings(rules, _may_be_empty(rules))


def _refusal(what: str) -> SamovarError:
    return SamovarError(FailureCode.BAD_REQUEST, f"The grammar {what}.", hint="Change the grammar there.")


@dataclass(frozen=True, slots=True)
class _Item:
    """A part of an alternative, `low` to `high` times. - name: of the rule it mentions. - size: elements otherwise."""

    name: str | None
    size: int
    low: int = 1
    high: int | None = 1


_Alternatives = list[list[_Item]]


class _Parser:
    """Reads GBNF as llama.cpp does; brackets become rules of their own."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._nesting = 0
        self._rules: dict[str, _Alternatives] = {}

    def rules(self) -> dict[str, _Alternatives]:
        """All rules by name."""
        self._skip(_SPACE_AND_LINES)
        while self._at < len(self._text):
            name = self._match(_NAME) or self._fail("a rule's name is missing")
            self._skip(_SPACE)
            self._expect("::=")
            self._skip(_SPACE_AND_LINES)
            self._rules[name] = self._alternatives(_SPACE)
            if self._at < len(self._text) and self._text[self._at] not in "\r\n":
                self._fail(f"{self._text[self._at]!r} is not expected")
            self._skip(_SPACE_AND_LINES)
        for alternatives in self._rules.values():
            for item in (item for one in alternatives for item in one):
                if item.name is not None and item.name not in self._rules:
                    raise _refusal(f"mentions a rule '{item.name}' that it does not have")
        return self._rules

    def _alternatives(self, space: re.Pattern[str]) -> _Alternatives:
        alternatives = [self._sequence(space)]
        while self._take("|"):
            self._skip(_SPACE_AND_LINES)
            alternatives.append(self._sequence(space))
        return alternatives

    def _sequence(self, space: re.Pattern[str]) -> list[_Item]:
        items: list[_Item] = []
        repeated = False
        while self._at < len(self._text):
            counts = self._counts()
            if counts is not None:
                if not items:
                    self._fail("there is nothing to repeat")
                if repeated:  # llama.cpp copies the part anew for each
                    self._fail("something has two counts; put the first one into brackets")
                items[-1] = _Item(items[-1].name, items[-1].size, *counts)
            else:
                item = self._item()
                if item is None:
                    break
                items.append(item)
            repeated = counts is not None
            self._skip(space)
        return items

    def _item(self) -> _Item | None:
        character = self._text[self._at]
        if character == '"':
            return _Item(None, self._literal())
        if character == "[":
            return _Item(None, self._class())
        if character == "(":
            return self._group()
        if character == ".":
            self._at += 1
            return _Item(None, 1)
        if character in "<!":
            if not self._match(_TOKEN):
                self._fail("a token is not complete")
            return _Item(None, 1)
        name = self._match(_NAME)
        return _Item(name, 1) if name else None

    def _literal(self) -> int:
        self._at += 1
        size = 0
        while not self._take('"'):
            self._character()
            size += 1
        return size

    def _class(self) -> int:
        self._at += 1
        self._take("^")
        size = 0
        while not self._take("]"):
            first = self._character()
            size += 1
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                if self._character() < first:
                    self._fail("a range of characters ends before it begins")
                size += 1
        return size

    def _character(self) -> int:
        found = self._match(_CHARACTER)
        if not found:
            self._fail("a text or a class is not complete, or has an escape that GBNF does not have")
        if found[0] != "\\":
            return ord(found)
        if found[1] in "xuU":
            return int(found[2:], 16)
        return ord({"t": "\t", "r": "\r", "n": "\n"}.get(found[1], found[1]))

    def _group(self) -> _Item:
        self._at += 1
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._fail(f"there are more than {MAX_NESTING} brackets inside one another")
        self._skip(_SPACE_AND_LINES)
        alternatives = self._alternatives(_SPACE_AND_LINES)
        self._expect(")")
        self._nesting -= 1
        name = f"({len(self._rules)})"  # not a name that could be written
        self._rules[name] = alternatives
        return _Item(name, 1)

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return counts
        if not self._text.startswith("{", self._at):
            return None
        found = _COUNTS.match(self._text, self._at)
        if found is None:
            self._fail("the counts of a repetition are not complete")
        self._at = found.end()
        low = int(found[1])
        high = low if found[2] is None else None if found[3] is None else int(found[3])
        if low > MAX_REPEATS or (high is not None and high > MAX_REPEATS):
            self._fail(f"something is repeated more than {MAX_REPEATS} times")
        if high is not None and high < low:  # llama.cpp would count from there to the end of its numbers
            self._fail("something is repeated from more to fewer times")
        return low, high

    def _skip(self, space: re.Pattern[str]) -> None:
        self._match(space)

    def _match(self, expression: re.Pattern[str]) -> str:
        found = expression.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._fail(f"'{text}' is missing")

    def _fail(self, what: str) -> NoReturn:
        raise _refusal(f"cannot be read in line {self._text.count(chr(10), 0, self._at) + 1}: {what}")


def _elements(alternative: list[_Item]) -> int:
    return 1 + sum((item.size + 1) * (max(1, item.low) if item.high is None else item.high) for item in alternative)


def _may_be_empty(rules: dict[str, _Alternatives]) -> set[str]:
    users: dict[str, list[str]] = {}
    for name, alternatives in rules.items():
        for item in (item for one in alternatives for item in one):
            if item.name is not None:
                users.setdefault(item.name, []).append(name)
    empty: set[str] = set()
    waiting = list(rules)
    while waiting:
        name = waiting.pop()
        if name not in empty and any(all(_is_empty(item, empty) for item in one) for one in rules[name]):
            empty.add(name)
            waiting.extend(users.get(name, ()))
    return empty


def _is_empty(item: _Item, empty: set[str]) -> bool:
    return item.low == 0 or (item.name in empty if item.name is not None else item.size == 0)


def _check_beginnings(rules: dict[str, _Alternatives], empty: set[str]) -> None:
    """Go through what each rule may begin with, the innermost first; this cannot end in a circle."""
    begin = {name: _beginnings(alternatives, empty) for name, alternatives in rules.items()}
    visits: dict[str, int] = {}
    chain: dict[str, int] = {}
    for start in rules:
        path, waiting = set[str](), [start]
        while waiting:
            name = waiting[-1]
            if name in visits:
                waiting.pop()
                continue
            inner = begin[name]
            if name in path:
                visits[name] = 1 + sum(times * visits[other] for other, times in inner)
                chain[name] = 1 + max((times * chain[other] for other, times in inner), default=0)
                path.discard(name)
                waiting.pop()
                if chain[name] > MAX_CHAIN or visits[name] > MAX_VISITS:
                    raise _refusal("is too tangled: too many of its rules begin with one another")
                continue
            path.add(name)
            for other, _ in inner:
                if other in path:
                    raise _refusal(f"lets the rule '{_readable(name)}' begin with itself, which never ends")
                waiting.append(other)
    if sum(visits.values()) > MAX_VISITS:
        raise _refusal("is too tangled: too many of its rules begin with one another")


def _beginnings(alternatives: _Alternatives, empty: set[str]) -> list[tuple[str, int]]:
    """The rules that a text of these may begin with, and how often llama.cpp looks at each."""
    found: list[tuple[str, int]] = []
    for one in alternatives:
        for item in one:
            nothing = item.name in empty if item.name is not None else item.size == 0
            if nothing and item.high is None:
                raise _refusal("repeats without end something that may be empty")
            if item.name is not None and item.high != 0:
                found.append((item.name, (item.high or 1) if nothing else 1))
            if not _is_empty(item, empty):
                break
    return found


def _readable(name: str) -> str:
    return "a part in brackets" if name.startswith("(") else name
