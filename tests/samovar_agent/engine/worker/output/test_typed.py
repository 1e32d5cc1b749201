from typing import Any

import pytest

from samovar_agent.engine.worker.output import Tool
from samovar_agent.engine.worker.output.typed import to_json


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        ({"type": "string"}, "12", '"12"'),
        ({"type": "string"}, 'ä "x"\n', '"ä \\"x\\"\\n"'),
        ({"type": "integer"}, " 12\n", "12"),
        ({"type": "integer"}, "1.5", '"1.5"'),
        ({"type": "number"}, "2", "2"),
        ({"type": "number"}, "NaN", '"NaN"'),
        ({"type": "boolean"}, "False", "false"),
        ({"type": ["string", "null"]}, "null", "null"),
        ({"type": "array"}, "[1, 2]", "[1, 2]"),
        ({"type": "object"}, '{"a": 1}', '{"a": 1}'),
        ({"type": "object"}, "{a: 1}", '"{a: 1}"'),
        ({"enum": [1, 2]}, "1", "1"),
        ({"enum": ["1", "2"]}, "1", '"1"'),
        ({"const": None}, "null", "null"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "None", "null"),
        ({"anyOf": [{"type": "string"}, {}]}, "7", "7"),
        ({}, "7", "7"),
        ({}, "none", '"none"'),
        (True, "7", '"7"'),
        ({"type": "object"}, "[" * 100_000, '"' + "[" * 100_000 + '"'),
    ],
)
def test_a_value_gets_the_type_that_the_schema_wants(schema: Any, text: str, expected: str) -> None:
    assert to_json(text, "key", Tool(name="f", parameters={"properties": {"key": schema}})) == expected


def test_without_a_schema_everything_is_text() -> None:
    assert to_json("7", "key", None) == to_json("7", "key", Tool(name="f")) == '"7"'
