"""Grammar rules as data: added in any order, cleared of what can never end, written as GBNF."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from samovar_agent.engine.worker.grammar.limits import MAX_GRAMMAR_BYTES, MAX_REPEAT, MAX_RULES, refusal

_BLOCK = 1000
"""llama.cpp refuses over 2000 repetitions and takes a maximum above that for none, so more are repeated in blocks."""

# Says what is allowed and not what is not: only so are bytes refused that make up no character.
_PLAIN = r" !#-\[\]-~\x80-\uD7FF\uE000-\U0010FFFF"
# Each with the names it uses.
_LIBRARY: dict[str, tuple[str, tuple[str, ...]]] = {
    "sp": ('" "?', ()),
    "hex": ("[0-9a-fA-F]", ()),
    # Without the escapes of half a character (\ud800 to \udfff): each counts as one, and alone they are no text.
    "char": (
        rf'[{_PLAIN}] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] hex | [dD] [0-7]) hex hex)',
        ("hex",),
    ),
    "string": (r'"\"" char* "\""', ("char",)),
    "integer": ('"-"? ("0" | [1-9] [0-9]{0,18})', ()),
    "number": ('integer ("." [0-9]{1,18})? ([eE] [-+]? [0-9]{1,2})?', ("integer",)),
    "boolean": ('"true" | "false"', ()),
    "null": ('"null"', ()),
    "value": (
        "object | array | string | number | boolean | null",
        ("object", "array", "string", "number", "boolean", "null"),
    ),
    "object": (r'"{" (string ":" sp value ("," sp string ":" sp value)*)? "}"', ("string", "sp", "value")),
    "array": ('"[" (value ("," sp value)*)? "]"', ("value", "sp")),
}


def json_grammar() -> str:
    """The grammar of any JSON object, with one space or one indented line at most between its parts."""
    bodies = {name: _LIBRARY[name][0] for name in _library_closure(["object"])}
    bodies["sp"] = r'(" " | "\n" [ \t]{0,40})?'
    bodies["object"] = r'"{" sp (string ":" sp value ("," sp string ":" sp value)* sp)? "}"'
    bodies["array"] = '"[" sp (value ("," sp value)* sp)? "]"'
    return _text({"root": "object", **bodies})


def literal(text: str) -> str:
    """`text` as a GBNF terminal."""
    return '"' + "".join(map(_escaped, text)) + '"'


def json_text(value: object) -> str:
    """`value` as the JSON that a grammar asks for; raises ValueError for what JSON cannot say."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def char_class(intervals: Iterable[tuple[int, int]]) -> str:
    """A GBNF character class of inclusive code point ranges."""
    return (
        "[" + "".join(_in_class(low) + (f"-{_in_class(high)}" if high > low else "") for low, high in intervals) + "]"
    )


@dataclass(frozen=True, slots=True)
class Ref:
    """A rule by name, `low` to `high` times; without `high` any number of times."""

    name: str
    low: int = 1
    high: int | None = 1


Piece = str | Ref
Alternative = Sequence[Piece]


class Rules:
    """The rules of one grammar. A name may be used before its rule is there.

    Names of the library (`value`, `object`, `array`, `string`, `number`, `integer`, `boolean`, `null`, `char`, `sp`)
    need no rule.
    """

    def __init__(self) -> None:
        self._rules: dict[str, list[tuple[Piece, ...]]] = {}
        self._names: dict[tuple[tuple[Piece, ...], ...], str] = {}
        self._reserved = 0

    def reserve(self) -> str:
        """A name whose rule comes later, with `define`."""
        self._reserved += 1
        if self._reserved > MAX_RULES:
            raise refusal("#", f"needs more than {MAX_RULES} grammar rules", hint="Make the schema simpler.")
        return f"r{self._reserved}"

    def define(self, name: str, alternatives: Iterable[Alternative]) -> None:
        """Give a reserved name its rule. Without alternatives it allows nothing, not even the empty text."""
        self._rules[name] = [tuple(alternative) for alternative in alternatives]

    def add(self, alternatives: Iterable[Alternative]) -> str:
        """The name of a rule with these alternatives; the same ones give the same name."""
        key = tuple(tuple(alternative) for alternative in alternatives)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self.reserve()
            self._rules[name] = list(key)
        return name

    def any_of(self, texts: Iterable[str]) -> str:
        """The name of a rule for one of these texts.

        As a tree that parts where the texts do: llama.cpp tests every token against every alternative that is open.
        """
        root = self.reserve()
        waiting = [(root, sorted(set(texts)))]
        while waiting:
            name, group = waiting.pop()
            branches: dict[str, list[str]] = {}
            for text in group:
                branches.setdefault(text[:1], []).append(text)
            alternatives: list[Alternative] = []
            for members in branches.values():
                if len(members) == 1:
                    alternatives.append([literal(members[0])])
                    continue
                shared = _common_prefix(members[0], members[-1])  # they are sorted
                rest = self.reserve()
                waiting.append((rest, [text[shared:] for text in members]))
                alternatives.append([literal(members[0][:shared]), Ref(rest)])
            self.define(name, alternatives)
        return root

    def gbnf(self, root: str) -> str | None:
        """The grammar that begins with the rule `root`; None where no text of it ever ends.

        Raises `bad_request` where it is too large.
        """
        ending = self.ending()
        if root not in ending:
            return None
        bodies = {"root": root}
        library: set[str] = set()
        waiting = [root]
        while waiting:
            name = waiting.pop()
            if name in bodies:
                continue
            if name in _LIBRARY:
                library.add(name)
                continue
            # What cannot end is left out, so that no reply begins with it.
            kept = [one for one in self._rules[name] if all(_may_end(piece, ending) for piece in one)]
            written = [[piece for piece in one if isinstance(piece, str) or piece.name in ending] for one in kept]
            bodies[name] = " | ".join(" ".join(map(_piece, one)) or '""' for one in written)
            # The order of first use, which is the one that llama.cpp checks for left recursion fastest.
            used = [piece.name for one in written for piece in one if isinstance(piece, Ref)]
            waiting.extend(reversed(used))
        for name in sorted(_library_closure(library)):
            bodies[name] = _LIBRARY[name][0]
        text = _text(bodies)
        if len(text) > MAX_GRAMMAR_BYTES:  # it is ASCII
            raise refusal("#", f"makes a grammar of more than {MAX_GRAMMAR_BYTES} bytes", hint="Make it simpler.")
        return text

    def ending(self) -> set[str]:
        """The rules that some finite text fulfils."""
        ending = set(_LIBRARY)
        users: dict[str, list[str]] = {}
        for name, alternatives in self._rules.items():
            for one in alternatives:
                for piece in one:
                    if isinstance(piece, Ref):
                        users.setdefault(piece.name, []).append(name)
        waiting = list(self._rules)
        while waiting:
            name = waiting.pop()
            if name in ending:
                continue
            if any(all(_may_end(piece, ending) for piece in one) for one in self._rules[name]):
                ending.add(name)
                waiting.extend(users.get(name, ()))
        return ending


def _may_end(piece: Piece, ending: set[str]) -> bool:
    return isinstance(piece, str) or piece.low == 0 or piece.name in ending


def _piece(piece: Piece) -> str:
    return piece if isinstance(piece, str) else _repeated(piece)


def _repeated(ref: Ref) -> str:
    name, low = ref.name, ref.low
    high = None if ref.high is None else min(ref.high, MAX_REPEAT)
    if (low, high) == (1, 1):
        return name
    if (high or low) <= _BLOCK:
        return name + {(0, 1): "?", (0, None): "*", (1, None): "+"}.get((low, high), _counts(low, high))
    block = f"({name}{{{_BLOCK}}})"
    parts = []
    if low >= _BLOCK:
        parts.append(f"{block}{_counts(low // _BLOCK, low // _BLOCK)}")
    if low % _BLOCK:
        parts.append(f"{name}{{{low % _BLOCK}}}")
    if high is None:
        parts.append(f"{name}*")
    elif high > low:
        more, rest = divmod(high - low, _BLOCK)
        if more > 1:
            parts.append(f"{block}{{0,{more - 1}}}")
        parts.append(f"{name}{{0,{rest + (_BLOCK if more else 0)}}}")
    return " ".join(parts)


def _counts(low: int, high: int | None) -> str:
    return f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}"


def _library_closure(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_LIBRARY[name][1])
    return found


def _text(bodies: Mapping[str, str]) -> str:
    return "".join(f"{name} ::= {body}\n" for name, body in bodies.items())


def _common_prefix(one: str, other: str) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length


def _escaped(character: str) -> str:
    return "\\" + character if character in '"\\' else _ascii(ord(character))


def _in_class(point: int) -> str:
    return "\\" + chr(point) if chr(point) in "\\[]-" else "\\x5E" if point == ord("^") else _ascii(point)


def _ascii(point: int) -> str:
    if 0x20 <= point < 0x7F:
        return chr(point)
    if point < 0x100:
        return f"\\x{point:02X}"
    return f"\\u{point:04X}" if point < 0x10000 else f"\\U{point:08X}"
