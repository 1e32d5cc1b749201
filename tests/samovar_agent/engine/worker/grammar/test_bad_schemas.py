"""What cannot be had is refused, with the place in the schema and the reason."""

import math
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar_agent.engine.worker.grammar import check_grammar, schema_grammar
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.engine.worker.grammar.schemas import TEXT, obj


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


ROUND: dict[str, Any] = {}
ROUND["items"] = ROUND
BAD: list[tuple[Any, str, str]] = [
    (False, "#", "allows nothing"),
    (None, "#", "neither an object nor true nor false"),
    ([], "#", "neither an object nor true nor false"),
    ({1: 2}, "#", "name that is not a text"),
    ({"enum": [{1, 2}]}, "#", "holds a set"),
    (ROUND, "#", "levels"),
    ({"type": "strnig"}, "#/type", "is none of object"),
    ({"type": []}, "#/type", "is none of object"),
    ({"minLength": 5, "maxLength": 3}, "#", "minLength of 5 above its maxLength of 3"),
    (obj([], a={"minItems": 2, "maxItems": 1}), "#/properties/a", "minItems of 2 above its maxItems of 1"),
    (obj([], a={"minimum": 2, "maximum": 1}), "#/properties/a", "has a minimum that leaves nothing"),
    ({"type": "integer", "minimum": 1.2, "maximum": 1.8}, "#", "allows nothing"),
    ({"allOf": [{"minLength": 5}, {"maxLength": 3}]}, "#", "minLength of 5 and a maxLength of 3"),
    ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "#", "types that exclude each other"),
    ({"allOf": [{"enum": [1]}, {"enum": [2]}]}, "#", "lists no value"),
    ({"enum": []}, "#/enum", "at least one value"),
    ({"enum": [math.nan]}, "#", "lists no value"),
    ({"enum": [[math.nan]]}, "#", "cannot say"),
    ({"enum": [10**5000]}, "#", "cannot say"),
    ({"anyOf": []}, "#/anyOf", "at least one schema"),
    ({"anyOf": [False, False]}, "#", "allows nothing"),
    (obj(["a"], a=False), "#/properties/a|#", "allows nothing"),
    (obj(["x"], x={"$ref": "#"}), "#", "has no end"),
    ({"$ref": "#"}, "#", "refers to itself"),
    (
        {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}},
        "#/",
        "itself",
    ),
    ({"anyOf": [{"$ref": "#"}, TEXT]}, "#", "refers to itself"),
    ({"$ref": "https://example.org/schema.json"}, "#/$ref", "nothing outside of the schema itself is ever fetched"),
    ({"$ref": "file:///etc/passwd"}, "#/$ref", "is ever fetched"),
    ({"$ref": "#anchor"}, "#/$ref", "is ever fetched"),
    ({"$ref": "#/$defs/none"}, "#/$ref", "is not there"),
    ({"$ref": 5}, "#/$ref", "is not a text"),
    ({"not": {}}, "#", "'not'"),
    (obj([], a={"if": {}}), "#/properties/a", "'if'"),
    ({"contains": {}}, "#", "'contains'"),
    ({"dependentRequired": {}}, "#", "'dependentRequired'"),
    ({"$dynamicRef": "#x"}, "#", "dynamic"),
    ({"type": "array", "uniqueItems": True}, "#", "uniqueItems"),
    ({**obj([], a=TEXT), "patternProperties": {"x": TEXT}}, "#", "patternProperties"),
    ({**obj([], a=TEXT), "propertyNames": TEXT}, "#", "propertyNames"),
    ({"type": "object", "minProperties": 3}, "#", "minProperties of 3"),
    ({**obj(["a", "b"], a=TEXT, b=TEXT), "maxProperties": 1}, "#", "requires 2 properties and allows 1"),
    ({"type": "object", "enum": [{}], "properties": {}}, "#", "beside the values it lists"),
    ({"minLength": -1}, "#/minLength", "whole number"),
    ({"minLength": True}, "#/minLength", "whole number"),
    ({"minLength": 10**7}, "#", "more than 1000000"),
    ({"minimum": "3"}, "#/minimum", "is not a number"),
    ({"minimum": math.inf}, "#/minimum", "is not a number"),
    ({"minimum": 10**60}, "#", "digits"),
    ({"minimum": 10**5000}, "#", "digits"),
    ({"minLength": 10**5000, "maxLength": 2}, "#", "minLength of 1000001"),
    ({"enum": [1e300], "multipleOf": 0.3}, "#", "lists no value"),
    ({"properties": {"\ud800": {"enum": []}}}, "#/properties/?/enum", "at least one"),
    ({"multipleOf": 0}, "#/multipleOf", "not above zero"),
    ({"multipleOf": 123456}, "#", "multipleOf of more than"),
    ({"required": "a"}, "#/required", "list of names"),
    ({"properties": []}, "#/properties", "not an object"),
    ({"allOf": {}}, "#/allOf", "at least one schema"),
    ({"prefixItems": {}}, "#/prefixItems", "is not a list"),
    (nested(60), "#/properties/a/", "levels"),
    (nested(100_000), "#/properties/a/", "levels"),
    ({"description": "x" * 10_000_000}, "#", "larger than"),
    ({"enum": list(range(1_000_000))}, "#", "larger than"),
    ({"allOf": [{"anyOf": [{"minLength": one} for one in range(9)]} for _ in range(9)]}, "#", "takes too long"),
    ({"pattern": 5}, "#/pattern", "not a text"),
    ({"pattern": "(a"}, "#", "without its ')'"),
    ({"pattern": "a)"}, "#", "a ')' too many"),
    ({"pattern": "[a"}, "#", "ends too early"),
    ({"pattern": "[b-a]"}, "#", "range of characters"),
    ({"pattern": "*a"}, "#", "nothing before"),
    ({"pattern": "a**"}, "#", "two quantifiers"),
    ({"pattern": "a{3,2}"}, "#", "more to fewer"),
    ({"pattern": "a{x}"}, "#", "without counts"),
    ({"pattern": "a\\"}, "#", "ends too early"),
    ({"pattern": "\\u{110000}"}, "#", "character number"),
    ({"pattern": "(?=a)b"}, "#", "looks ahead"),
    ({"pattern": "(?<!a)b"}, "#", "looks ahead or back"),
    ({"pattern": "(a)\\1"}, "#", "'\\1'"),
    ({"pattern": "\\bword"}, "#", "'\\b'"),
    ({"pattern": "\\p{L}"}, "#", "'\\p'"),
    ({"pattern": "(^a)"}, "#", "'^' that is not at its beginning"),
    ({"pattern": "(a$)"}, "#", "'$' that is not at its end"),
    ({"pattern": "(" * 100_000}, "#", "inside one another"),
    ({"pattern": "((a{1000}){1000}){1000}"}, "#", "takes too long"),
    ({"pattern": "^(a|b)*a(a|b){30}$"}, "#", "takes too long|grammar rules"),
    ({"pattern": "[]"}, "#", "allows nothing"),
]


@pytest.mark.parametrize(("schema", "path", "reason"), BAD, ids=range(len(BAD)))
def test_bad_schemas_are_refused_with_place_and_reason(schema: Any, path: str, reason: str) -> None:
    with pytest.raises(SamovarError) as caught:
        schema_grammar(schema)
    failure = caught.value.failure
    assert failure.code == FailureCode.BAD_REQUEST
    assert any(f"schema at {one}" in failure.message for one in path.split("|")), failure.message
    assert any(one in failure.message for one in reason.split("|")), failure.message
    assert len(failure.message) < 500
    assert failure.hint


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*arguments: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    for address in ("http://127.0.0.1:1/x", "https://example.org/x", "//example.org/x", "http://127.0.0.1:1/#/a"):
        with pytest.raises(SamovarError):
            schema_grammar({"properties": {"a": {"$ref": address}}})


KEYWORDS = [
    "type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
    "minProperties", "maxProperties", "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength",
    "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "multipleOf", "nullable", "$ref", "allOf", "anyOf",
    "$defs",
]  # fmt: skip
WORDS = [
    "a",
    "b",
    "string",
    "object",
    "array",
    "integer",
    "number",
    "#",
    "#/properties/a",
    "#/$defs/b",
    "date",
    "^[a]+",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats(-5, 5) | st.sampled_from(WORDS) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS + WORDS[:2]), inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_whatever_comes_gives_a_grammar_or_a_reason(schema: object) -> None:
    try:
        grammar = schema_grammar(schema)
    except SamovarError as error:
        assert error.code == FailureCode.BAD_REQUEST
    else:
        check_grammar(grammar)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab01[]()^$|*+?{},\\-.:<d", max_size=12))
def test_whatever_pattern_comes_gives_a_grammar_or_a_reason(pattern: str) -> None:
    try:
        grammar = schema_grammar({"pattern": pattern})
    except SamovarError as error:
        assert error.code == FailureCode.BAD_REQUEST
    else:
        check_grammar(grammar)
