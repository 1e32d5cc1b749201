"""One schema's own keywords, read with care: each is checked when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from samovar_agent.engine.worker.grammar.formats import FORMATS
from samovar_agent.engine.worker.grammar.limits import MAX_REPEAT, refusal
from samovar_agent.engine.worker.grammar.numbers import Bound

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_TYPE_OF = {
    "object": (
        "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
        "maxProperties", "unevaluatedProperties",
    ),
    "array": (
        "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "unevaluatedItems",
    ),
    "string": ("pattern", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}  # fmt: skip


class Keywords:
    """The keywords of the schema `leaf`, which stands at `path`. Raises `bad_request` for values they cannot have."""

    def __init__(self, leaf: Mapping[str, Any], path: str) -> None:
        self.leaf, self.path = leaf, path

    def types(self) -> list[str] | None:
        """The types it names; None where it names none."""
        if "type" not in self.leaf:
            return None
        named = self.leaf["type"]
        types = named if isinstance(named, list) else [named]
        if not types or not all(isinstance(one, str) and one in TYPES for one in types):
            raise refusal(f"{self.path}/type", f"is none of {', '.join(TYPES)}")
        return [*types, "null"] if self.leaf.get("nullable") is True else types

    def implied_types(self) -> list[str]:
        """The types that its other keywords are for."""
        implied = [name for name, keywords in _TYPE_OF.items() if any(keyword in self.leaf for keyword in keywords)]
        return [*implied, "string"] if self.format() and "string" not in implied else implied

    def values(self) -> list[Any] | None:
        """What `enum` or `const` lists; None without them."""
        if "const" in self.leaf:
            return [self.leaf["const"]]
        if "enum" not in self.leaf:
            return None
        values = self.leaf["enum"]
        if not isinstance(values, list) or not values:
            raise refusal(f"{self.path}/enum", "is not a list with at least one value")
        return values

    def range(self, low: str, high: str) -> tuple[int, int | None]:
        """Two counts, such as `minLength` and `maxLength`."""
        least = self._count(low) or 0
        most = self._count(high)
        if most is not None and least > most:
            raise refusal(self.path, f"has a {low} of {least} above its {high} of {most}")
        if least > MAX_REPEAT:
            raise refusal(self.path, f"has a {low} of more than {MAX_REPEAT}")
        return least, None if most is None else min(most, MAX_REPEAT)

    def pattern(self) -> str | None:
        """`pattern`."""
        pattern = self.leaf.get("pattern")
        if "pattern" in self.leaf and not isinstance(pattern, str):
            raise refusal(f"{self.path}/pattern", "is not a text")
        return pattern

    def format(self) -> str | None:
        """`format`, where it is one of those that are enforced."""
        name = self.leaf.get("format")
        return name if isinstance(name, str) and name in FORMATS else None

    def bounds(self) -> list[Bound]:
        """The limits for a number. In older schemas `exclusiveMinimum` is a flag beside `minimum`."""
        bounds = []
        for keyword, exclusive, lower in (
            ("minimum", "exclusiveMinimum", True),
            ("maximum", "exclusiveMaximum", False),
        ):
            flag = self.leaf.get(exclusive)
            if keyword in self.leaf:
                bounds.append(Bound(self._number(keyword), lower, strict=flag is True))
            if exclusive in self.leaf and not isinstance(flag, bool):
                bounds.append(Bound(self._number(exclusive), lower, strict=True))
        for low in bounds:
            for high in bounds:
                empty = low.value > high.value or (low.value == high.value and (low.strict or high.strict))
                if low.lower and not high.lower and empty:
                    raise refusal(self.path, "has a minimum that leaves nothing up to its maximum")
        return bounds

    def multiples(self) -> list[Decimal]:
        """`multipleOf`."""
        if "multipleOf" not in self.leaf:
            return []
        multiple = self._number("multipleOf")
        if multiple <= 0:
            raise refusal(f"{self.path}/multipleOf", "is not above zero")
        return [multiple]

    def properties(self, keyword: str = "properties") -> dict[str, Any]:
        """`properties`, or another keyword that holds schemas by name."""
        properties = self.leaf.get(keyword, {})
        if not isinstance(properties, dict):
            raise refusal(f"{self.path}/{keyword}", "is not an object")
        return properties

    def required(self) -> list[str]:
        """`required`; an older schema's flag of the same name says nothing here."""
        required = self.leaf.get("required", [])
        if isinstance(required, bool):
            return []
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise refusal(f"{self.path}/required", "is not a list of names")
        return required

    def has(self, keywords: Iterable[str]) -> str | None:
        """The first of `keywords` that is there."""
        return next((keyword for keyword in keywords if keyword in self.leaf), None)

    def _count(self, keyword: str) -> int | None:
        value = self.leaf.get(keyword)
        if keyword not in self.leaf:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise refusal(f"{self.path}/{keyword}", "is not a whole number from zero up")
        return min(value, MAX_REPEAT + 1)

    def _number(self, keyword: str) -> Decimal:
        value = self.leaf[keyword]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refusal(f"{self.path}/{keyword}", "is not a number")
        if isinstance(value, float) and not math.isfinite(value):
            raise refusal(f"{self.path}/{keyword}", "is not a number")
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
