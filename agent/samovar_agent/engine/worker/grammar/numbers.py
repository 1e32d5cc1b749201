"""Numbers within bounds, and multiples, as automata over their digits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from samovar_agent.engine.worker.grammar.automaton import Automaton, add_rules
from samovar_agent.engine.worker.grammar.limits import Steps, refusal
from samovar_agent.engine.worker.grammar.pattern import Pattern
from samovar_agent.engine.worker.grammar.rules import Alternative, Ref, Rules

_DIGITS = 19
"""Before and after the point, where no bound needs more: enough for 64 bits."""
_MAX_DIGITS = 40
_MAX_MULTIPLE = 10_000
_ZERO = Decimal(0)  # never the negative one
_POINT = ord(".")
_DIGIT_CUTS = (*range(ord("0"), ord("9") + 2), _POINT, _POINT + 1)

_State = tuple[bool, int, int]


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit for a number. - lower: at least `value`, not at most. - strict: not `value` itself."""

    value: Decimal
    lower: bool
    strict: bool

    def holds(self, number: Decimal) -> bool:
        """Whether `number` is within."""
        if number == self.value:
            return not self.strict
        return (number > self.value) == self.lower


def add_number_rule(
    rules: Rules, bounds: Sequence[Bound], multiples: Sequence[Decimal], *, whole: bool, steps: Steps, path: str
) -> str:
    """The name of a rule for the numbers within all `bounds` that are multiples of all `multiples`.

    - whole: integers only. Numbers with bounds are written without an exponent.
    """
    alternatives: list[Alternative] = []
    for sign, prefix in ((1, []), (-1, ['"-"'])):
        automata = magnitudes(bounds, multiples, whole, sign, steps, path)
        if automata is not None:
            alternatives.append([*prefix, Ref(add_rules(rules, automata, quoted=False, steps=steps, path=path))])
    return rules.add(alternatives)


def magnitudes(
    bounds: Sequence[Bound], multiples: Sequence[Decimal], whole: bool, sign: int, steps: Steps, path: str
) -> list[Automaton] | None:
    """What the digits behind the sign must fulfil; None where no number has this sign. Minus zero is never written."""
    sides: list[tuple[Decimal, Bound, bool]] = []
    for bound in bounds:
        value = _ZERO if not bound.value else bound.value if sign > 0 else bound.value.copy_negate()  # `-` would round
        lower = bound.lower == (sign > 0)
        if value < 0 or (value == 0 and bound.strict and not lower):
            if not lower:
                return None
            continue
        sides.append((value, bound, lower))
    digits = max([_DIGITS, *(value.adjusted() + 2 for value, _, lower in sides if lower)])
    limits = [] if sign > 0 else [_Limit(_ZERO, lower=True, strict=True)]
    for value, bound, lower in sides:
        if lower or value.adjusted() < digits:  # no number that is written is larger than the other ones
            limits.append(_Limit(value, lower=lower, strict=bound.strict))
    places = 0 if whole else _DIGITS
    for multiple in multiples:
        places = min(places, max(0, -_exponent(multiple)))
    longest = max([places, *(len(limit.fraction) for limit in limits)])
    if digits > _MAX_DIGITS or longest > _MAX_DIGITS:
        raise refusal(path, f"has a bound of more than {_MAX_DIGITS} digits")
    if places and not multiples:
        places = longest
    fraction = rf"(\.\d{{1,{places}}})?" if places else ""
    syntax = Pattern(rf"^(0|[1-9]\d{{0,{digits - 1}}}){fraction}$", path, steps)
    return [syntax, *limits, *(_Multiple(multiple, path) for multiple in multiples)]


def _exponent(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


class _Limit:
    """Compares digits with a bound's as they come. Its state: behind the point, digits read, how they compare."""

    def __init__(self, value: Decimal, *, lower: bool, strict: bool) -> None:
        whole, _, fraction = f"{value:f}".partition(".")
        self.fraction = fraction.rstrip("0")
        self._whole = whole
        self._accepted = ({1} if lower else {-1}) | (set() if strict else {0})
        self.start: _State = (False, 0, 0)

    def cuts(self) -> Iterable[int]:
        """Each digit, and the point."""
        return _DIGIT_CUTS

    def step(self, state: _State, point: int) -> _State:
        """One more digit, or the point."""
        behind, count, order = state
        if point == _POINT:
            return (True, 0, self._whole_order(count, order))
        digits = self.fraction if behind else self._whole
        if order == 0 and (behind or count < len(digits)):
            other = ord(digits[count]) if count < len(digits) else ord("0")
            order = (point > other) - (point < other)
        return (behind, min(count + 1, len(digits) + (not behind)), order)

    def accepts(self, state: _State) -> bool:
        """Whether the number that was read keeps to the bound."""
        behind, count, order = state
        if not behind:
            count, order = 0, self._whole_order(count, order)
        if order == 0 and count < len(self.fraction):
            order = -1
        return order in self._accepted

    def _whole_order(self, count: int, order: int) -> int:
        longer = (count > len(self._whole)) - (count < len(self._whole))
        return longer or order


class _Multiple:
    """Keeps the remainder. Its state: the remainder, and the places behind the point, or -1 before it."""

    def __init__(self, value: Decimal, path: str) -> None:
        self._places = max(0, -_exponent(value))
        scaled = int(value.scaleb(self._places))
        if scaled > _MAX_MULTIPLE:
            raise refusal(path, f"has a multipleOf of more than {_MAX_MULTIPLE} (in its last digit), which is too much")
        self._divisor = scaled
        self.start = (0, -1)

    def cuts(self) -> Iterable[int]:
        """Each digit, and the point."""
        return _DIGIT_CUTS

    def step(self, state: tuple[int, int], point: int) -> tuple[int, int] | None:
        """One more digit, or the point."""
        remainder, places = state
        if point == _POINT:
            return (remainder, 0)
        if places >= self._places:
            return None
        return ((remainder * 10 + point - ord("0")) % self._divisor, places + 1 if places >= 0 else -1)

    def accepts(self, state: tuple[int, int]) -> bool:
        """Whether the number that was read is a multiple."""
        remainder, places = state
        return remainder * int(10 ** (self._places - max(0, places))) % self._divisor == 0
