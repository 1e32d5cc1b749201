"""Tools of a request, and which of them may or must be called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import check_depth, convert
from samovar_protocol.values import Name, NamedTool, Tool

_CALLERS: tuple[list[str], ...] = ([], ["direct"])


class CustomTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool that the client runs.

    - defer_loading: not offered before something in the conversation refers to it. - input_examples: shown with the
    description. - strict, eager_input_streaming, cache_control: without effect; arguments always follow the schema
    here, come as soon as they are whole, and beginnings of prompts are always cached.
    """

    name: Name
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    input_examples: list[dict[str, Any]] | None = None
    strict: bool | None = None
    eager_input_streaming: bool | None = None
    cache_control: Any = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


class AutoChoice(msgspec.Struct, frozen=True, tag_field="type", tag="auto", forbid_unknown_fields=True):
    """The model decides."""

    disable_parallel_tool_use: bool | None = None


class AnyChoice(msgspec.Struct, frozen=True, tag_field="type", tag="any", forbid_unknown_fields=True):
    """Some tool must be called."""

    disable_parallel_tool_use: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tool", forbid_unknown_fields=True):
    """This tool must be called."""

    name: Name
    disable_parallel_tool_use: bool | None = None


class NoChoice(msgspec.Struct, frozen=True, tag_field="type", tag="none", forbid_unknown_fields=True):
    """No tool may be called."""


Choice = AutoChoice | AnyChoice | ToolChoice | NoChoice
Chosen = Literal["auto", "none", "required"] | NamedTool


def offered(entries: Sequence[dict[str, Any]], changes: Mapping[str, bool]) -> list[Tool]:
    """The tools as ours; raises `bad_request` for those that only Anthropic can run.

    - changes: those that were made available on the way, which a deferred one waits for, or taken away.
    """
    tools = [_custom(entry, f"tools[{index}]") for index, entry in enumerate(entries)]
    names = {tool.name for tool in tools}
    if len(names) < len(tools):
        raise bad_request("Two tools have the same name.", param="tools", hint="Give each a name of its own.")
    for name in changes:
        if name not in names:
            raise bad_request(f"No tool is called '{name}'.", param="messages", hint="Send it among 'tools', too.")
    return [_tool(tool) for tool in tools if changes.get(tool.name, not tool.defer_loading)]


def chosen(choice: Choice, tools: Sequence[Tool]) -> Chosen:
    """What to do with the tools; raises `bad_request` where the two do not fit together."""
    match choice:
        case NoChoice():
            return "none"
        case AutoChoice():
            return "auto"
        case AnyChoice():
            if not tools:
                raise bad_request("A call is required, and there are no tools.", param="tool_choice", hint="Send them.")
            return "required"
        case ToolChoice(name=name):
            if all(tool.name != name for tool in tools):
                raise bad_request(f"No tool is called '{name}'.", param="tool_choice", hint="Name one of 'tools'.")
            return NamedTool(name=name)


def _custom(entry: dict[str, Any], path: str) -> CustomTool:
    kind = entry.get("type")
    if isinstance(kind, str) and kind != "custom":
        raise bad_request(
            f"The tool type '{kind[:100]}' is Anthropic's own and not supported.",
            param=f"{path}.type",
            hint="Describe the tool with a name, a description and an input_schema, and run it yourself.",
        )
    tool = convert(entry, CustomTool, at=path)
    if tool.allowed_callers is not None and tool.allowed_callers not in _CALLERS:
        raise bad_request(
            f"'{path}.allowed_callers' is not supported.", param=f"{path}.allowed_callers", hint="Leave it out."
        )
    check_depth(tool.input_schema, tool.input_examples)
    return tool


def _tool(tool: CustomTool) -> Tool:
    return Tool(name=tool.name, description=_description(tool), parameters=tool.input_schema)


def _description(tool: CustomTool) -> str:
    examples = [json.dumps(example, ensure_ascii=False) for example in tool.input_examples or ()]
    shown = ["Examples of its input:\n" + "\n".join(examples)] if examples else []
    return "\n\n".join([*([tool.description] if tool.description else []), *shown])
