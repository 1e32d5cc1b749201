"""Types of Python as schemas of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

Json = dict[str, Any]

_PREFIX = "#/components/schemas/"
_REFERENCE = re.compile(re.escape(f'"{_PREFIX}') + r'([^"]+)"')
_NAMES = re.compile(r"\w+")
_VALUES = {"None": "null", "True": "true", "False": "false"}
_VALUE = re.compile(rf"\b({'|'.join(_VALUES)})\b")
_FIELD = re.compile(r"(?:^|(?<=\s))- (\w+(?:(?:, | and )\w+)*): ")
"""How a docstring begins to tell of a field, or of several."""


class Types:
    """The schemas of some types, which refer to each other. - kinds: every type that will be asked for."""

    def __init__(self, kinds: Iterable[Any]) -> None:
        wanted = list(dict.fromkeys(kinds))
        found = msgspec.json.schema_components(wanted, schema_hook=_of_other, ref_template=_PREFIX + "{name}")
        schemas, components = (_renamed(part) for part in found)
        self._schemas: dict[Any, Json] = dict(zip(wanted, schemas, strict=True))
        self._components: dict[str, Json] = {_short(name): _told(schema) for name, schema in components.items()}

    def schema(self, kind: Any) -> Json:
        """That of a type, mostly a reference."""
        return self._schemas[kind]

    def inline(self, kind: Any) -> Json:
        """The same, without a name of its own where it has one."""
        schema = self._schemas[kind]
        if set(schema) == {"$ref"}:
            schema = self._components[schema["$ref"].removeprefix(_PREFIX)]
        return {key: value for key, value in schema.items() if key != "title"}

    def needs_something(self, kind: Any) -> bool:
        """Whether an empty body will not do."""
        schema = self.inline(kind)
        return bool(schema.get("required")) or schema.get("type") != "object"

    def parameters(self, kind: type[msgspec.Struct]) -> list[Json]:
        """The fields as parameters behind the question mark."""
        schema = self.inline(kind)
        required = schema.get("required", [])
        found: list[Json] = []
        for name, field in schema["properties"].items():
            values = _without_null(field)
            about = {"description": values.pop("description")} if "description" in values else {}
            found.append({"name": name, "in": "query", "required": name in required, **about, "schema": values})
        return found

    def form(self, kind: type[msgspec.Struct]) -> Json:
        """The fields as parts of a form; bytes are files."""
        schema = self.inline(kind)
        fields = {
            name: {"contentMediaType": "application/octet-stream"} if "contentEncoding" in field else field
            for name, field in schema["properties"].items()
        }
        return {**schema, "properties": fields}

    def used(self, document: Json) -> dict[str, Json]:
        """The named schemas that a part of the document refers to, directly or by way of others."""
        found: dict[str, Json] = {}
        waiting = _references(document)
        while waiting:
            name = waiting.pop()
            if name not in found and name in self._components:
                found[name] = self._components[name]
                waiting |= _references(found[name])
        return {name: found[name] for name in sorted(found)}


def _of_other(kind: type) -> Json:
    """The schema of what msgspec has none for."""
    if kind is object:
        return {}
    raise NotImplementedError(kind)


def _short(name: str) -> str:
    """Types of one name have their module's before it, as far as it tells them apart."""
    return name.removeprefix("samovar_agent.").removeprefix("http.").replace(".", "_")


def _renamed(value: Any) -> Any:
    return json.loads(_REFERENCE.sub(lambda found: f'"{_PREFIX}{_short(found[1])}"', json.dumps(value)))


def _references(value: Json) -> set[str]:
    return set(_REFERENCE.findall(json.dumps(value)))


def _told(schema: Json) -> Json:
    """A struct's schema with what its docstring says of a field beside that field, and the rest as its own text.

    "A page. - limit: at most so many." is "A page." of the struct, and "At most so many." of its field `limit`.
    """
    fields: Json = schema.get("properties", {})
    words = _VALUE.sub(lambda value: _VALUES[value[0]], " ".join(schema.get("description", "").split()))
    found = [one for one in _FIELD.finditer(words) if set(_NAMES.findall(one[1])) & fields.keys()]
    if not found:
        return schema
    about: dict[str, str] = {}
    for one, end in zip(found, [*(one.start() for one in found[1:]), len(words)], strict=True):
        meaning = words[one.end() : end].strip()
        about |= dict.fromkeys(_NAMES.findall(one[1]), meaning[:1].upper() + meaning[1:])
    properties = {
        name: field if name not in about else {**field, "description": about[name]} for name, field in fields.items()
    }
    told = {**schema, "properties": properties}
    if own := words[: found[0].start()].strip():
        return {**told, "description": own}
    return {name: value for name, value in told.items() if name != "description"}


def _without_null(schema: Json) -> Json:
    """A parameter is there or not; nobody can send null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) != 1:
        return {**schema}
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**rest, **options[0]}
