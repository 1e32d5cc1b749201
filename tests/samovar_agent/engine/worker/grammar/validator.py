"""A small JSON Schema validator that shares nothing with the grammars: it judges what they let through."""

import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | Decimal) and not isinstance(value, bool),
}
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
FORMATS: dict[str, Callable[[str], object]] = {
    "date": datetime.date.fromisoformat,
    "time": lambda text: datetime.time.fromisoformat(text).utcoffset() is not None,
    "date-time": lambda text: datetime.datetime.fromisoformat(text).utcoffset() is not None,
    "duration": lambda text: re.fullmatch(
        r"P(?!$)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)", text, re.ASCII
    ),
    "email": lambda text: re.fullmatch(rf"[\w.%+-]{{1,64}}@(?:{LABEL}\.)+[A-Za-z]{{2,}}", text, re.ASCII),
    "hostname": lambda text: len(text) < 254 and re.fullmatch(rf"{LABEL}(?:\.{LABEL})*", text),
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "uuid": lambda text: len(text) == 36 and uuid.UUID(text),
}


def valid(value: Any, schema: Any, root: Any = None) -> bool:
    """Whether `value`, with decimals for its fractions, is valid."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].split("/")[1:]:
            target = target[int(part)] if isinstance(target, list) else target[part]
        if not valid(value, target, root):
            return False
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    if types and not any(KINDS[one](value) for one in types) and not (value is None and schema.get("nullable")):
        return False
    if "enum" in schema and not any(equal(value, one) for one in schema["enum"]):
        return False
    if "const" in schema and not equal(value, schema["const"]):
        return False
    if not all(valid(value, one, root) for one in schema.get("allOf", [])):
        return False
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema and not any(valid(value, one, root) for one in schema[keyword]):
            return False
    if isinstance(value, dict):
        return valid_object(value, schema, root)
    if isinstance(value, list):
        return valid_array(value, schema, root)
    if isinstance(value, str):
        return valid_text(value, schema)
    return valid_number(value, schema) if KINDS["number"](value) else True


def equal(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def valid_object(value: dict[str, Any], schema: dict[str, Any], root: Any) -> bool:
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, one in value.items():
        rules = [properties[name]] if name in properties else []
        rules += [rule for pattern, rule in patterns.items() if re.search(pattern, name)]
        if not all(valid(one, rule, root) for rule in rules or [schema.get("additionalProperties", True)]):
            return False
        if not valid(name, schema.get("propertyNames", True), root):
            return False
    required = schema.get("required", [])
    in_order = [name for name in value if name in properties] == [name for name in properties if name in value]
    count = schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
    return all(name in value for name in required) and in_order and count


def valid_array(value: list[Any], schema: dict[str, Any], root: Any) -> bool:
    prefix, rest = schema.get("prefixItems", []), schema.get("items", True)
    if isinstance(rest, list):
        prefix, rest = rest, schema.get("additionalItems", True)
    rules = [*prefix, *[rest] * len(value)]
    count = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
    return count and all(valid(one, rule, root) for one, rule in zip(value, rules, strict=False))


def valid_text(value: str, schema: dict[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    if "pattern" in schema and not re.search(schema["pattern"].replace("(?<", "(?P<"), value, re.ASCII):
        return False
    check = FORMATS.get(schema.get("format", ""))
    try:
        return check is None or bool(check(value))
    except ValueError:
        return False


def valid_number(value: Any, schema: dict[str, Any]) -> bool:
    number = Decimal(value)

    def bound(keyword: str) -> Decimal | None:
        found = schema.get(keyword)
        return None if found is None or isinstance(found, bool) else Decimal(str(found))

    low, high = bound("minimum"), bound("maximum")
    above = low if schema.get("exclusiveMinimum") is True else bound("exclusiveMinimum")
    below = high if schema.get("exclusiveMaximum") is True else bound("exclusiveMaximum")
    multiple = bound("multipleOf")
    return (
        (low is None or number >= low)
        and (high is None or number <= high)
        and (above is None or number > above)
        and (below is None or number < below)
        and (multiple is None or number % multiple == 0)
    )
