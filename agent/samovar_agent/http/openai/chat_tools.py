"""Tools of a chat request, and which of them may or must be called."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from samovar_agent.http.errors import bad_request
from samovar_protocol.values import Name, NamedTool, Tool


class FunctionEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function. - strict: accepted either way; arguments always follow the schema here."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool. - cache_control: without effect; prefixes are always cached."""

    type: Literal["function"]
    function: FunctionEntry
    cache_control: Any = None


class ToolName(msgspec.Struct, frozen=True):
    """The part of a tool that a choice has to name."""

    name: Name


class FunctionChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function", forbid_unknown_fields=True):
    """This function must be called."""

    function: ToolName


class AllowedTool(msgspec.Struct, frozen=True):
    """One of the tools that may be called."""

    type: Literal["function"]
    function: ToolName


class AllowedTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- mode: "required" asks for at least one call."""

    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class AllowedChoice(msgspec.Struct, frozen=True, tag_field="type", tag="allowed_tools", forbid_unknown_fields=True):
    """Only some of the tools may be called, this once."""

    allowed_tools: AllowedTools


ToolChoice = Literal["none", "auto", "required"] | FunctionChoice | AllowedChoice
Chosen = Literal["none", "auto", "required"] | NamedTool


def chosen_tools(entries: list[ToolEntry], choice: ToolChoice) -> tuple[list[Tool], Chosen]:
    """The tools to offer, and what to do with them; raises `bad_request` where the two do not fit together."""
    tools = {entry.function.name: _tool(entry.function) for entry in entries}
    if len(tools) < len(entries):
        raise bad_request("Two tools have the same name.", param="tools", hint="Give each a name of its own.")
    match choice:
        case FunctionChoice():
            _check_known(choice.function.name, tools)
            return list(tools.values()), NamedTool(name=choice.function.name)
        case AllowedChoice():
            names = [tool.function.name for tool in choice.allowed_tools.tools]
            for name in names:
                _check_known(name, tools)
            choice, tools = choice.allowed_tools.mode, {name: tools[name] for name in names}
    if choice == "required" and not tools:
        raise bad_request("A call is required, and there are no tools.", param="tool_choice", hint="Send 'tools'.")
    return list(tools.values()), choice


def _tool(function: FunctionEntry) -> Tool:
    return Tool(name=function.name, description=function.description or "", parameters=function.parameters or {})


def _check_known(name: str, tools: dict[str, Tool]) -> None:
    if name not in tools:
        raise bad_request(f"No tool is called '{name}'.", param="tool_choice", hint="Name one of 'tools'.")
