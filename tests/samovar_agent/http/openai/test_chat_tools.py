"""Tools, and all forms of `tool_choice`."""

from typing import Any

import pytest

from samovar_protocol.values import ChatOptions, NamedTool, Tool
from tests.samovar_agent.http.conftest import Agent, Browser

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "clock", "strict": True}}
TOOLS = [Tool(name="weather", description="Of a city.", parameters=SCHEMA), Tool(name="clock")]


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named(name) for name in names]}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ChatOptions(tools=TOOLS)),
        ("auto", ChatOptions(tools=TOOLS)),
        ("none", ChatOptions(tools=TOOLS, tool_choice="none")),
        ("required", ChatOptions(tools=TOOLS, tool_choice="required")),
        (named("clock"), ChatOptions(tools=TOOLS, tool_choice=NamedTool(name="clock"))),
        (allowed("auto", "clock"), ChatOptions(tools=TOOLS[1:])),
        (allowed("required", "clock", "weather"), ChatOptions(tools=TOOLS[::-1], tool_choice="required")),
        (allowed("auto"), ChatOptions()),
    ],
    ids=str,
)
async def test_every_form_of_choice(agent: Agent, browser: Browser, choice: Any, expected: ChatOptions) -> None:
    answer = await browser.chat(tools=[WEATHER, CLOCK], tool_choice=choice)
    assert answer.status == 200, answer.body
    assert agent.instances.calls[0][3] == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [named("f"), named("f")]}, "tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": [{"type": "function", "function": {"name": "f", "schema": {}}}]}, "tools[0].function.schema"),
        ({"tools": [named(str(number)) for number in range(1025)]}, "tools"),
        ({"tools": {}}, "tools"),
        ({"tools": [WEATHER], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": named("f")}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": allowed("auto", "f")}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": allowed("none", "weather")}, "tool_choice.allowed_tools.mode"),
        ({"tools": [WEATHER], "tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": named("f")}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": allowed("required")}, "tool_choice"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_does_not_fit_is_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    answer = await browser.chat(**body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert not agent.instances.calls
