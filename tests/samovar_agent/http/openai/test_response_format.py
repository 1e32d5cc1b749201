"""What the text of a reply must be."""

from typing import Any

import pytest

from samovar_protocol.values import AnyJson, Grammar, JsonSchema, ReplyFormat
from tests.samovar_agent.http.conftest import Agent, Browser

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def schema_format(**values: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": values}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"response_format": None}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, AnyJson()),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, JsonSchema(json_schema=SCHEMA)),
        (schema_format(name="person", strict=True, schema=SCHEMA), JsonSchema(json_schema=SCHEMA)),
        (schema_format(name="x", description="Of a person.", strict=False, schema=True), JsonSchema(json_schema=True)),
        ({"grammar": 'root ::= "yes" | "no"'}, Grammar(gbnf='root ::= "yes" | "no"')),
        ({"grammar": "", "response_format": {"type": "json_object"}}, AnyJson()),
    ],
    ids=str,
)
async def test_every_form(agent: Agent, browser: Browser, body: dict[str, Any], expected: ReplyFormat | None) -> None:
    answer = await browser.chat(**body)
    assert answer.status == 200, answer.body
    assert agent.instances.calls[0][3].reply_format == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"response_format": "json_object"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (schema_format(name="x"), "response_format.json_schema.schema"),
        (schema_format(name="x", schema="object"), "response_format.json_schema.schema"),
        (schema_format(name="x", schema={}, grammar=""), "response_format.json_schema.grammar"),
        ({"response_format": {"type": "json_object"}, "grammar": "root ::= [a-z]"}, "grammar"),
        ({"grammar": {"root": "x"}}, "grammar"),
        ({"grammar": "x" * 1_000_001}, "grammar"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_is_wrong_is_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    answer = await browser.chat(**body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert not agent.instances.calls
