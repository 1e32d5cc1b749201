"""What holds for one value: a schema with all it refers to, as alternatives of plain keywords.

`$ref`, `allOf` and the keywords beside them must all hold, of `anyOf` one. So every value is described by alternatives,
each of which is a list of schemas whose own keywords hold together. The schemas are the ones of the document and never
new ones; there are finitely many of them, so recursion ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from samovar_agent.engine.worker.grammar.limits import (
    MAX_SCHEMA_BYTES,
    MAX_SCHEMA_DEPTH,
    Steps,
    refusal,
)

Schema = dict[str, Any] | bool

_REFUSED = {
    "not": "what must not be",
    "if": "conditions",
    "dependentSchemas": "conditions",
    "dependentRequired": "conditions",
    "dependencies": "conditions",
    "contains": "what a list must contain",
    "$dynamicRef": "dynamic references",
    "$recursiveRef": "dynamic references",
}


@dataclass(frozen=True, slots=True)
class _Pending:
    """A schema to look into. - inside: the schemas that led to it; it is a circle when it is among them."""

    schema: Any
    path: str
    inside: frozenset[int]


@dataclass(slots=True)
class _Branch:
    """One alternative on its way."""

    pending: list[_Pending]
    choices: list[list[_Pending]] = field(default_factory=list)
    leaves: list[dict[str, Any]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)


class Document:
    """A whole schema, measured. - path: what to call it.

    Raises `bad_request` where it is no JSON, too large or too deep.
    """

    def __init__(self, root: object, steps: Steps, path: str = "#") -> None:
        self._root, self._steps, self._path = root, steps, path
        self._places: dict[int, tuple[int, str]] = {}
        self._measure()

    def path(self, schema: Schema) -> str:
        """The JSON pointer of a schema in the document."""
        parts: list[str] = []
        place = self._places.get(id(schema))
        while place is not None and len(parts) <= MAX_SCHEMA_DEPTH:  # an object in itself has no end
            parts.append(place[1].replace("~", "~0").replace("/", "~1"))
            place = self._places.get(place[0])
        return "/".join([self._path, *reversed(parts)])

    def alternatives(self, schemas: tuple[Schema, ...]) -> list[list[dict[str, Any]]]:
        """The ways in which all of `schemas` can hold, each as the schemas whose own keywords hold then."""
        found: list[list[dict[str, Any]]] = []
        waiting = [_Branch([_Pending(schema, self.path(schema), frozenset()) for schema in schemas])]
        while waiting:
            branch = waiting.pop()
            if not self._follow(branch):
                continue
            if not branch.choices:
                found.append(branch.leaves)
                continue
            options, *others = branch.choices
            for option in reversed(options):
                self._steps.take(option.path, 1 + len(branch.leaves))
                waiting.append(_Branch([option], list(others), list(branch.leaves), set(branch.seen)))
        return found

    def _follow(self, branch: _Branch) -> bool:
        """Go through what is pending; False where `false` is part of it."""
        while branch.pending:
            now = branch.pending.pop(0)
            schema = now.schema
            if schema is False:
                return False
            if schema is True:
                continue
            if not isinstance(schema, dict):
                raise refusal(now.path, "is neither an object nor true nor false")
            self._steps.take(now.path, 1 + len(now.inside))
            if id(schema) in now.inside:
                raise refusal(now.path, "refers to itself before it says anything")
            if id(schema) in branch.seen:
                continue
            branch.seen.add(id(schema))
            self._enter(branch, schema, now)
        return True

    def _enter(self, branch: _Branch, schema: dict[str, Any], now: _Pending) -> None:
        path = self.path(schema)
        for keyword, what in _REFUSED.items():
            if keyword in schema:
                raise refusal(path, f"has '{keyword}', and a grammar cannot say {what}", hint="Leave it out.")
        inside = now.inside | {id(schema)}
        branch.leaves.append(schema)
        if "$ref" in schema:
            branch.pending.append(_Pending(*self._target(schema["$ref"], path), inside))
        branch.pending.extend(_Pending(one, path, inside) for one in self._list(schema, "allOf", path))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                branch.choices.append([_Pending(one, path, inside) for one in self._list(schema, keyword, path)])

    @staticmethod
    def _list(schema: dict[str, Any], keyword: str, path: str) -> list[Any]:
        options = schema.get(keyword)
        if keyword in schema and (not isinstance(options, list) or not options):
            raise refusal(f"{path}/{keyword}", "is not a list with at least one schema")
        return options or []

    def _target(self, reference: object, path: str) -> tuple[Any, str]:
        place = f"{path}/$ref"
        if not isinstance(reference, str):
            raise refusal(place, "is not a text")
        if not (reference == "#" or reference.startswith("#/")):
            raise refusal(
                place,
                f"refers to '{reference[:100]}', and nothing outside of the schema itself is ever fetched",
                hint="Put it into the schema under '$defs' and refer to it with '#/$defs/NAME'.",
            )
        target: Any = self._root
        for part in reference.split("/")[1:]:
            self._steps.take(place)
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and name in target:
                target = target[name]
            elif isinstance(target, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(target):
                target = target[int(name[:9])]
            else:
                raise refusal(place, f"refers to '{reference[:100]}', which is not there")
        return target, reference

    def _measure(self) -> None:
        """Every part once, without recursion: what came over the wire may be as deep as it likes."""
        size = 0
        waiting: list[tuple[Any, int]] = [(self._root, 0)]
        while waiting:
            value, depth = waiting.pop()
            children: list[tuple[str, Any]] = []
            if isinstance(value, dict):
                if not all(isinstance(name, str) for name in value):
                    raise refusal(self.path(value), "has a name that is not a text")
                children = list(value.items())
            elif isinstance(value, list):
                children = [(str(index), child) for index, child in enumerate(value)]
            elif isinstance(value, str):
                size += len(value.encode("utf-8", "surrogatepass"))
            elif value is not None and not isinstance(value, bool | int | float):
                raise refusal(self._path, f"holds a {type(value).__name__}, which JSON does not have")
            elif isinstance(value, int):
                size += value.bit_length() // 4
            size += 4 + sum(4 + len(name) for name, _ in children)
            if size > MAX_SCHEMA_BYTES:
                raise refusal(self._path, f"is larger than {MAX_SCHEMA_BYTES} bytes", hint="Make the schema smaller.")
            if children and depth >= MAX_SCHEMA_DEPTH:
                raise refusal(
                    self.path(value),
                    f"has more than {MAX_SCHEMA_DEPTH} levels",
                    hint="Use '$defs' and '$ref' for what repeats itself.",
                )
            for name, child in children:
                if isinstance(child, dict | list):
                    self._places.setdefault(id(child), (id(value), name))
                waiting.append((child, depth + 1))
