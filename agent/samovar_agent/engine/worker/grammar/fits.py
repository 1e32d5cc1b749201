"""Whether a value that a schema lists is one that the same schema allows."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from samovar_agent.engine.worker.grammar.automaton import matches
from samovar_agent.engine.worker.grammar.formats import FORMATS
from samovar_agent.engine.worker.grammar.keywords import Keywords
from samovar_agent.engine.worker.grammar.limits import Steps, refusal
from samovar_agent.engine.worker.grammar.pattern import Pattern

_DEEPER = ("items", "prefixItems", "additionalItems", "uniqueItems", "unevaluatedItems")
_NAMED = ("properties", "additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties")


def fits(value: Any, part: Keywords, steps: Steps) -> bool:
    """Whether `value` is allowed by the keywords of `part`, apart from its own list of values.

    Raises `bad_request` where `enum` lists a container and its items are described as well.
    """
    steps.take(part.path)
    types = part.types()
    if types is not None and not _kinds(value) & set(types):
        return False
    if isinstance(value, str):
        return _fits_text(value, part, steps)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, float) and not math.isfinite(value):
            return False
        return _fits_number(Decimal(str(value)), part)
    if isinstance(value, dict):
        _refuse(part, _NAMED)
        return set(part.required()) <= set(value) and _within(len(value), part, "minProperties", "maxProperties")
    if isinstance(value, list):
        _refuse(part, _DEEPER)
        return _within(len(value), part, "minItems", "maxItems")
    return True


def canonical(value: Any) -> str:
    """The same text for all values that are equal as JSON: true is not 1, but 1.0 is."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(name)}:{canonical(value[name])}' for name in sorted(value))}}}"
    return json.dumps(value)


def _kinds(value: Any) -> set[str]:
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    if isinstance(value, float):
        return {"integer", "number"} if value.is_integer() else {"number"}
    return {"string"} if isinstance(value, str) else {"array"} if isinstance(value, list) else {"object"}


def _fits_text(value: str, part: Keywords, steps: Steps) -> bool:
    pattern, name = part.pattern(), part.format()
    automata = [Pattern(pattern, part.path, steps)] if pattern is not None else []
    if name is not None:
        automata.append(Pattern(f"^({FORMATS[name]})$", part.path, steps))
    return matches(automata, value) and _within(len(value), part, "minLength", "maxLength")


def _fits_number(value: Decimal, part: Keywords) -> bool:
    return all(bound.holds(value) for bound in part.bounds()) and all(
        Fraction(value) % Fraction(multiple) == 0 for multiple in part.multiples()
    )


def _within(count: int, part: Keywords, low: str, high: str) -> bool:
    least, most = part.range(low, high)
    return least <= count and (most is None or count <= most)


def _refuse(part: Keywords, keywords: tuple[str, ...]) -> None:
    keyword = part.has(keywords)
    if keyword is not None:
        raise refusal(part.path, f"has '{keyword}' beside the values it lists, and only one of them can be followed")
