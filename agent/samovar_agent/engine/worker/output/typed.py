"""Values that a model writes as plain text between tags, made JSON by what the tool's schema wants."""

from __future__ import annotations

import json
from typing import Any

from samovar_agent.engine.worker.output.json_text import decode
from samovar_protocol.values import Tool

_PYTHON = {"true": "true", "false": "false", "none": "null"}


def to_json(text: str, key: str, tool: Tool | None) -> str:
    """`text`, the value of the parameter `key`, as JSON; a string wherever nothing else fits."""
    properties = tool.parameters.get("properties") if tool else None
    schema = properties.get(key) if isinstance(properties, dict) else None
    if not isinstance(schema, dict):
        return _string(text)
    types = types_of(schema)
    if types == {"string"}:
        return _string(text)
    stripped = text.strip()
    if types and stripped.lower() in _PYTHON:
        stripped = _PYTHON[stripped.lower()]
    try:
        type_ = _type_of(decode(stripped))
    except ValueError:
        return _string(text)
    fits = not types or type_ in types or (type_ == "integer" and "number" in types)
    return stripped if fits else _string(text)


def types_of(schema: dict[str, Any]) -> set[str]:
    """The types that a schema allows as far as it says so itself; empty: any."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return {declared}
    if isinstance(declared, list):
        return {str(one) for one in declared}
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list):
            each = [types_of(option) if isinstance(option, dict) else set() for option in options]
            return set[str]().union(*each) if all(each) else set()
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return {_type_of(value) for value in values} if isinstance(values, list) else set()


def _type_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
