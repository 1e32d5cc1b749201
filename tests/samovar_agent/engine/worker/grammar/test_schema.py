"""Everything a grammar lets through is valid, and what people mean is let through."""

import json
from decimal import Decimal
from typing import Any

import pytest

from samovar_agent.engine.worker.grammar import check_grammar, json_grammar, schema_grammar
from samovar_agent.engine.worker.grammar.limits import MAX_GRAMMAR_BYTES
from tests.samovar_agent.engine.worker.grammar.schemas import FLAG, NUMBER, TEXT, WHOLE, obj
from tests.samovar_agent.engine.worker.grammar.validator import valid
from tests.samovar_agent.engine.worker.grammar.vocabulary import Vocabulary

STRICT = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "Who"},
        "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 130},
        "mail": {"type": "string", "format": "email"},
        "kind": {"type": "string", "enum": ["person", "robot", "percent"]},
        "tags": {
            "type": "array",
            "items": {"type": "string", "pattern": "^#[a-z]{1,8}$"},
            "minItems": 1,
            "maxItems": 3,
        },
        "price": {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 0, "maximum": 99.5},
        "child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        "place": {"$ref": "#/$defs/place"},
    },
    "required": ["name", "age", "mail", "kind", "tags", "price", "child", "place"],
    "additionalProperties": False,
    "$defs": {"place": {**obj(["city"], city=TEXT), "additionalProperties": False}},
}

SCHEMAS: dict[str, Any] = {
    "anything": {},
    "true": True,
    "strict subset": STRICT,
    "optional ones": obj(["b", "e"], a=FLAG, b=FLAG, c=FLAG, d=FLAG, e=FLAG, f=FLAG),
    "only optional ones": obj([], a=FLAG, b=FLAG),
    "at least one": {**obj([], a=FLAG, b=FLAG), "minProperties": 1},
    "at most two": {**obj(["c"], a=FLAG, b=FLAG, c=FLAG), "maxProperties": 2},
    "no properties": {"type": "object", "additionalProperties": False},
    "any object": {"type": "object"},
    "map": {"type": "object", "additionalProperties": WHOLE, "maxProperties": 3},
    "and others": {**obj(["name", "nam"], name=FLAG, nam=FLAG, **{'"q': FLAG}), "additionalProperties": NUMBER},
    "names": {"propertyNames": {"enum": ["one", "two"]}, "additionalProperties": WHOLE, "minProperties": 1},
    "name pattern": {"type": "object", "patternProperties": {"^x-[a-z]+$": WHOLE}, "additionalProperties": False},
    "required without a schema": {"type": "object", "properties": {"a": FLAG}, "required": ["b"]},
    "forbidden property": obj(["a"], a=FLAG, b=False),
    "odd names": obj([*'"\\\nä😀', ""], **dict.fromkeys([*'"\\\nä😀', ""], FLAG)),
    "enum": {"enum": ["red", "redder", 1, 12, 1.5, None, True, ["a", {"b": 1}], 'q"\\\n', "ä😀"]},
    "const": {"const": {"a": [1, "x"]}},
    "enum by type": {"type": ["string", "null"], "enum": ["a", 1, None, 2.5]},
    "enum by pattern": {"enum": ["abc", "abd", "x"], "pattern": "^ab", "maxLength": 3},
    "type list": {"type": ["string", "integer", "array", "null"], "maxLength": 3, "minimum": 5, "maxItems": 2},
    "nullable": {"type": "string", "nullable": True, "maxLength": 4},
    "length": {"type": "string", "minLength": 2, "maxLength": 5},
    "exact length": {"type": "string", "minLength": 3, "maxLength": 3},
    "integer bounds": {"type": "integer", "minimum": -17, "exclusiveMaximum": 1205},
    "below zero": {"type": "integer", "minimum": -305, "maximum": -12},
    "from": {"type": "integer", "minimum": 95},
    "number bounds": {"type": "number", "minimum": -0.5, "maximum": 2.25},
    "old bounds": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": True},
    "sign": {"type": "number", "maximum": 0},
    "tiny": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e-7},
    "large": {"type": "integer", "minimum": 10**25, "maximum": 10**26},
    "large, the maximum first": {"allOf": [{"maximum": 10**25 + 5}, {"type": "integer", "minimum": 10**25}]},
    "out of reach": {"type": "number", "minimum": -1.7e308, "maximum": 1.7e308},
    "multiples": {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 500},
    "cents": {"type": "number", "multipleOf": 0.01, "minimum": -1, "maximum": 10},
    "two multiples": {"allOf": [{"type": "number", "multipleOf": 0.5}, {"type": "integer", "multipleOf": 1.5}]},
    "list": {"type": "array", "items": WHOLE, "minItems": 2, "maxItems": 4},
    "empty list": {"type": "array", "maxItems": 0},
    "one unique": {"type": "array", "items": TEXT, "maxItems": 1, "uniqueItems": True},
    "tuple": {"type": "array", "prefixItems": [FLAG, WHOLE], "items": False, "minItems": 2},
    "tuple and rest": {"prefixItems": [FLAG, {"const": "x"}], "items": WHOLE, "minItems": 1, "maxItems": 5},
    "old tuple": {"type": "array", "items": [FLAG, WHOLE], "additionalItems": FLAG, "minItems": 4, "maxItems": 4},
    "open tuple": {"type": "array", "prefixItems": [FLAG], "minItems": 2, "maxItems": 2},
    "any list": {"type": "array", "maxItems": 2},
    "pattern and length": {"pattern": "^[a-z]+(-[a-z]+)*$", "minLength": 4, "maxLength": 9},
    "search": {"type": "string", "pattern": "[0-9]", "maxLength": 6},
    "half held": {"type": "string", "pattern": "^a|b$", "maxLength": 5},
    "escapes": {"type": "string", "pattern": r'^[\\"\n\t/]{2,6}$'},
    "classes": {"type": "string", "pattern": r"^\d{3}\w\S[^a-z\s][\u00e4\x41-]\.\/(?:a|b(?<n>c)?){1,2}?$"},
    "explodes when read twice": {"type": "string", "pattern": "^(a*)*(a|a)+(b?){5}$", "maxLength": 12},
    "all of": {"allOf": [obj(["a"], a=FLAG), obj(["b"], b=WHOLE), {"properties": {"a": {"const": True}}}]},
    "all of with bounds": {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}, {"minimum": 4}]},
    "all of types": {"allOf": [{"type": ["number", "string"]}, {"type": ["integer", "null"]}]},
    "ref beside": {"$ref": "#/$defs/t", "maxLength": 3, "$defs": {"t": TEXT}},
    "ref by pointer": {"properties": {"a": WHOLE, "b": {"$ref": "#/properties/a"}}, "required": ["a", "b"]},
    "any of": {"anyOf": [TEXT, obj(["a"], a=FLAG), {"enum": [1, 2]}, {"const": None}, False]},
    "any of required": {**obj([], a=FLAG, b=FLAG), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    "any of twice": {"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 1}], "oneOf": [{"maximum": 7}]},
    "union by kind": {
        "oneOf": [
            obj(["kind", "r"], kind={"const": "circle"}, r=NUMBER),
            obj(["kind", "w"], kind={"const": "box"}, w=NUMBER),
        ],
        "discriminator": {"propertyName": "kind"},
    },
    "list of itself": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
    "tree": {
        "$ref": "#/$defs/tree",
        "$defs": {"tree": obj(["v", "kids"], v=WHOLE, kids={"type": "array", "items": {"$ref": "#/$defs/tree"}})},
    },
    "merged recursion": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"type": "object", "properties": {"x": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}}},
            "b": obj([], x={"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}, y=FLAG),
        },
    },
    "optional without end": {
        **obj(["a"], a=FLAG, b={"$ref": "#/$defs/b"}),
        "$defs": {"b": obj(["b"], b={"$ref": "#/$defs/b"})},
    },
    "twice the same": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"enum": ["x", "y"]}}},
    "remarks": {"title": "T", "description": "D", "default": 1, "$schema": "https://x", "type": "integer"},
    "unknown format": {"type": "string", "format": "color", "maxLength": 3},
    **{name: {"type": "string", "format": name} for name in (
        "date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")},
}  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_what_comes_out_is_valid(vocabulary: Vocabulary, schema: Any) -> None:
    grammar = schema_grammar(schema)
    check_grammar(grammar)
    for seed in range(4):
        text = vocabulary.walk(grammar, seed)
        assert valid(json.loads(text, parse_float=Decimal), schema), text


@pytest.mark.parametrize("seed", range(12))
def test_json_mode_gives_objects(vocabulary: Vocabulary, seed: int) -> None:
    assert isinstance(json.loads(vocabulary.walk(json_grammar(), seed)), dict)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ('{"a": 1}', True),
        ('{"a":[1,2,{"b":null}],"c":-1.5e-7}', True),
        ('{\n  "a": [\n    true,\n    "\\u00e9 ü 😀 \\n"\n  ]\n}', True),
        ("{}", True),
        ("{ }", True),
        ("[1]", False),
        ('{"a":1,}', False),
        ('{"a":01}', False),
        ('{"a":"\n"}', False),
        ('{"a":"\\ud83d"}', False),
        ('{\n\n\n"a":1}', False),
        ('{"a":1}\n', False),
    ],
)
def test_json_mode(vocabulary: Vocabulary, text: str, allowed: bool) -> None:
    assert vocabulary.accepts(json_grammar(), text) is allowed


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("optional ones", ['{"b":true,"e":false}', '{"a": true, "b": true, "d":true, "e":true,"f":true}'],
         ['{"e":true,"b":true}', '{"b":true}', '{"b":true, "e":true,}', '{"b":true,"e":true,"x":1}', "{}"]),
        ("only optional ones", ["{}", '{"b":true}', '{"a":true,"b":true}'], ['{"b":true,"a":true}']),
        ("at least one", ['{"b":true}'], ["{}"]),
        ("at most two", ['{"a":true,"c":true}', '{"c":true}'], ['{"a":true,"b":true,"c":true}']),
        ("and others", ['{"name":true,"nam":true}', '{"name":true,"nam":true,"names":1,"n":2,"x":3}'],
         ['{"name":true,"nam":true,"name":1}', '{"name":true,"nam":true,"na\\u006d":1}']),
        ("enum", ['"red"', '"redder"', "12", "1", "1.5", "null", "true", '["a", {"b": 1}]', '"ä😀"'], ['"redd"', "2"]),
        ("enum by type", ['"a"', "null"], ["1", "2.5"]),
        ("integer bounds", ["-17", "0", "1204", "9"], ["-18", "1205", "9999", "-0", "05", "1.0"]),
        ("from", ["95", "100", "7000000000"], ["94", "9", "-95"]),
        ("number bounds", ["-0.5", "2.25", "0", "1.999", "2.2499"], ["-0.51", "2.26", "3", "10", "2.250001"]),
        ("large", [str(10**25), str(10**26)], [str(10**25 - 1), str(10**26 + 1)]),
        ("multiples", ["56", "497"], ["49", "57", "504"]),
        ("cents", ["9.99", "-0.5", "10", "10.00"], ["9.999", "10.01", "-1.01"]),
        ("two multiples", ["3", "-6", "0"], ["1", "1.5"]),
        ("tuple", ["[true,1]", "[true, 1]"], ["[true]", "[true,1,2]"]),
        ("tuple and rest", ["[true]", '[true, "x", 1, 2]'], ["[]", "[1]", '[true,"x",1,2,3,4]']),
        ("search", ['"ab1"', '"1"', '"a1b2"'], ['"ab"', '"abcdef1"']),
        ("half held", ['"axx"', '"xxb"', '"a"'], ['"xax"']),
        ("pattern and length", ['"ab-cd"', '"abcdefghi"'], ['"abc"', '"ab--c"', '"abcdefghij"', '"ab-cd-"']),
        ("all of", ['{"a":true,"b":3}'], ['{"a":false,"b":3}', '{"a":true}']),
        ("date", ['"2024-02-29"', '"2000-02-29"', '"1999-12-31"'], ['"2023-02-29"', '"1900-02-29"', '"2024-04-31"']),
        ("date-time", ['"2024-05-01T12:00:00Z"', '"2024-05-01T12:00:00.25+02:00"'], ['"2024-05-01"']),
        ("ipv6", ['"::"', '"::1"', '"2001:db8::8a2e:370:7334"', '"1:2:3:4:5:6:7:8"', '"1::"'], ['"1:2"', '"1::2::3"']),
        ("email", ['"ada.lovelace@mail.example.org"'], ['"ada@localhost"', '"@x.org"']),
        ("duration", ['"P1Y2M3DT4H"', '"PT5M"', '"P2W"'], ['"P"', '"PT"']),
        ("nullable", ["null", '"abc"'], ["1"]),
        ("unknown format", ['"#ab"'], []),
        ("optional without end", ['{"a":true}'], ['{"a":true,"b":{']),
        ("any of twice", ["5", "6", "7", "1", "-4"], ["4", "8"]),
    ],
)  # fmt: skip
def test_allowed_and_refused(vocabulary: Vocabulary, name: str, allowed: list[str], refused: list[str]) -> None:
    grammar = schema_grammar(SCHEMAS[name])
    assert [text for text in allowed if not vocabulary.accepts(grammar, text)] == []
    assert [text for text in refused if vocabulary.accepts(grammar, text)] == []


@pytest.mark.parametrize(("low", "high"), [(0, 2500), (1500, 4321), (2000, 2000), (999, 1001), (3000, None)])
def test_long_texts_are_counted_exactly(vocabulary: Vocabulary, low: int, high: int | None) -> None:
    """llama.cpp takes a maximum over 2000 for none, so these are counted in blocks."""
    schema = {"type": "string", "minLength": low} | ({} if high is None else {"maxLength": high})
    grammar = schema_grammar(schema)
    lengths = {0, low - 1, low, low + 1, 1000, 2000, 2001, *([] if high is None else [high - 1, high, high + 1])}
    for length in lengths - {-1}:
        wanted = low <= length and (high is None or length <= high)
        assert vocabulary.accepts(grammar, '"' + "x" * length + '"') is wanted, length


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [f"value {number:06d} {number * 7919 % 1000}" for number in range(5000)]},
        {"enum": ["a" * length for length in range(600)]},
        obj([f"p{number}" for number in range(0, 1000, 2)], **{f"p{number}": WHOLE for number in range(1000)}),
        {
            "$ref": "#/$defs/d0",
            "$defs": {f"d{n}": obj(["a"], a={"$ref": f"#/$defs/d{n + 1}"}) for n in range(1500)} | {"d1500": TEXT},
        },
        obj([], **{f"p{number}": {"type": "string", "format": "ipv6"} for number in range(50)}),
    ],
    ids=["long enum", "prefixes", "properties", "chain of references", "one format often"],
)  # fmt: skip
def test_large_but_reasonable_schemas(vocabulary: Vocabulary, schema: Any) -> None:
    grammar = schema_grammar(schema)
    assert len(grammar) < MAX_GRAMMAR_BYTES
    sampler = vocabulary.sampler(grammar)
    assert sampler
    vocabulary.llama.llama_sampler_free(sampler)


def test_the_same_schema_gives_the_same_grammar() -> None:
    assert schema_grammar(STRICT) == schema_grammar(json.loads(json.dumps(STRICT)))


def test_the_schema_is_left_as_it_was() -> None:
    before = json.dumps(STRICT)
    schema_grammar(STRICT)
    assert json.dumps(STRICT) == before
