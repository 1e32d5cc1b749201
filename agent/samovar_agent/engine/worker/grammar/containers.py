"""Objects and lists as rules: which members may follow one another, with a comma between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samovar_agent.engine.worker.grammar.automaton import PLAIN, Interval
from samovar_agent.engine.worker.grammar.limits import refusal
from samovar_agent.engine.worker.grammar.rules import Alternative, Piece, Ref, Rules, char_class, json_text, literal

_COMMA: tuple[Piece, ...] = (literal(","), Ref("sp"))
_QUOTE = literal('"')
_MAX_KNOWN = 5000


@dataclass(frozen=True, slots=True)
class Member:
    """A property by name. - value: its rule's name."""

    name: str
    value: str
    required: bool


@dataclass(frozen=True, slots=True)
class Others:
    """Properties whose names are not known before. - name, value: rules' names. - most: how many, at most."""

    name: str
    value: str
    most: int | None


def object_rule(rules: Rules, members: Sequence[Member], others: Others | None, *, empty: bool) -> list[Alternative]:
    """An object with the required members, some of the optional ones, and `others`, in this order.

    - empty: whether `{}` is allowed, where no member is required.
    """
    close = literal("}")
    after: list[Piece] = [close]
    first: list[Alternative] = [[close]] if empty else []
    if others is not None and others.most != 0:
        other = rules.add([[Ref(others.name), literal(":"), Ref("sp"), Ref(others.value)]])
        comma_other = rules.add([[*_COMMA, Ref(other)]])
        after = [Ref(comma_other, 0, others.most), close]
        first.append([Ref(other), Ref(comma_other, 0, None if others.most is None else others.most - 1), close])
    # From the last to the first, so that each knows what may follow it.
    for member in reversed(members):
        written: list[Piece] = [literal(json_text(member.name) + ":"), Ref("sp"), Ref(member.value)]
        rest = Ref(rules.add([after]))
        this: Alternative = [*written, rest]
        first = [this] if member.required else [this, *first]
        after = [*_COMMA, *this] if member.required else [Ref(rules.add([[*_COMMA, *this], [rest]]))]
    return [[literal("{"), Ref(rules.add(first))]]


def other_name_rule(rules: Rules, known: Sequence[str], path: str) -> str:
    """The rule for a property's name that is none of `known`; without escapes, which could spell one of them."""
    spelled = {name for name in known if all(_is_plain(ord(character)) for character in name)}
    if sum(map(len, spelled)) > _MAX_KNOWN:
        raise refusal(path, f"names more than {_MAX_KNOWN} characters of properties and allows others too")
    following: dict[str, set[str]] = {"": set()}
    for name in spelled:
        for length in range(len(name)):
            following.setdefault(name[:length], set()).add(name[length])
        following.setdefault(name, set())
    rest = rules.add([[Ref(rules.add([[char_class(PLAIN)]]), 0, None), _QUOTE]])
    names: dict[str, str] = {}
    for prefix in sorted(following, key=len, reverse=True):
        others = following[prefix]
        alternatives: list[Alternative] = [[literal(one), Ref(names[prefix + one])] for one in sorted(others)]
        alternatives.append([char_class(_without(PLAIN, others)), Ref(rest)])
        if prefix not in spelled:
            alternatives.append([_QUOTE])
        names[prefix] = rules.add(alternatives)
    return rules.add([[_QUOTE, Ref(names[""])]])


def array_rule(rules: Rules, prefix: Sequence[str], item: str | None, low: int, high: int | None) -> list[Alternative]:
    """A list of the values `prefix` and then any number of `item`, `low` to `high` of them all together.

    - item: None where nothing follows `prefix`.
    """
    close = literal("]")
    fixed = len(prefix) if high is None else min(len(prefix), high)
    after: list[Piece] = [close]
    first: list[Alternative] = [[close]]
    if item is not None and (high is None or high > fixed):
        comma_item = rules.add([[*_COMMA, Ref(item)]])
        needed = max(0, low - fixed)
        most = None if high is None else high - fixed
        after = [Ref(comma_item, needed, most), close]
        more = Ref(comma_item, max(0, needed - 1), None if most is None else most - 1)
        first = [[Ref(item), more, close]]
        if not needed:
            first.append([close])
    elif low > fixed:
        return []
    for index in reversed(range(fixed)):
        this: Alternative = [Ref(prefix[index]), Ref(rules.add([after]))]
        first = [this] if low > index else [this, [close]]
        after = [Ref(rules.add([[*_COMMA, *this], *([] if low > index else [[close]])]))]
    return [[literal("["), Ref(rules.add(first))]]


def _is_plain(point: int) -> bool:
    return any(low <= point <= high for low, high in PLAIN)


def _without(intervals: Sequence[Interval], characters: set[str]) -> list[Interval]:
    result = list(intervals)
    for point in map(ord, characters):
        split = [part for low, high in result for part in ((low, min(high, point - 1)), (max(low, point + 1), high))]
        result = sorted({(low, high) for low, high in split if low <= high})
    return result
