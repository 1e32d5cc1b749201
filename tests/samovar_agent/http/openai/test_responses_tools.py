"""Tools of a response, and which of them may or must be called."""

from typing import Any

import pytest

from samovar_agent.http.openai.responses_tools import tools_given
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import NamedTool

CLOCK: dict[str, Any] = {"type": "function", "name": "clock", "parameters": {"type": "object"}, "strict": True}
SUN: dict[str, Any] = {"type": "function", "name": "sun", "parameters": None}
SEARCH: dict[str, Any] = {"type": "file_search", "vector_store_ids": ["vs_1"]}
ALL = [CLOCK, SEARCH, SUN]
AGENTS: dict[str, Any] = {"type": "namespace", "name": "agents", "description": "Help.", "tools": [CLOCK, SUN]}
CACHED: dict[str, Any] = {"type": "web_search", "external_web_access": False}
"""As Codex offers it to every model, unless its settings say otherwise."""


@pytest.mark.parametrize(
    ("choice", "names", "expected", "searches"),
    [
        ("auto", ["clock", "sun"], "auto", True),
        ("required", ["clock", "sun"], "auto", True),
        ("none", ["clock", "sun"], "none", False),
        ({"type": "function", "name": "sun"}, ["clock", "sun"], NamedTool(name="sun"), False),
        ({"type": "file_search"}, [], "auto", True),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "file_search"}]}, [], "auto", True),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "sun"}]},
            ["sun"],
            "required",
            False,
        ),
    ],
)
def test_choices(choice: Any, names: list[str], expected: Any, searches: bool) -> None:
    given = tools_given(ALL, choice)
    assert [tool.name for tool in given.functions] == names
    assert given.choice == expected
    assert (given.search is not None) == searches
    assert given.path == ("tools[1]" if searches else "")


def test_functions_of_a_namespace_are_shown_with_its_name() -> None:
    described = {**AGENTS, "tools": [{**CLOCK, "description": "Tells the time."}, SUN]}
    given = tools_given([CLOCK, described, {**AGENTS, "name": "mcp__x__", "description": ""}], "auto")
    shown = {tool.name: tool.description for tool in given.functions}
    assert shown == {
        "clock": "",
        "agents__clock": "[agents: Help.]\nTells the time.",
        "agents__sun": "",
        "mcp__x__clock": "",
        "mcp__x__sun": "",
    }
    assert given.qualified["agents__clock"] == ("agents", "clock")
    assert given.qualified["mcp__x__sun"] == ("mcp__x__", "sun")
    assert "clock" not in given.qualified


def test_one_of_a_namespace_is_chosen_by_both_its_names() -> None:
    chosen = {"type": "function", "name": "sun", "namespace": "agents"}
    assert tools_given([AGENTS], chosen).choice == NamedTool(name="agents__sun")
    only = tools_given([CLOCK, AGENTS], {"type": "allowed_tools", "mode": "auto", "tools": [chosen]})
    assert [tool.name for tool in only.functions] == ["agents__sun"]


@pytest.mark.parametrize("type_", ["web_search", "web_search_2025_08_26"])
def test_a_search_of_what_is_cached_of_the_web_is_left_out_and_told(type_: str) -> None:
    given = tools_given([CLOCK, {**CACHED, "type": type_, "search_context_size": "low"}], "auto")
    assert [tool.name for tool in given.functions] == ["clock"]
    assert given.left_out == [type_]


def test_a_search_of_the_web_itself_is_refused_with_what_to_set() -> None:
    with pytest.raises(SamovarError, match=r'config.toml: web_search = "disabled"'):
        tools_given([{**CACHED, "external_web_access": True}], "auto")


def test_no_tools() -> None:
    assert tools_given([], "auto").functions == []


@pytest.mark.parametrize(
    ("tools", "choice", "param"),
    [
        ([{"type": "web_search"}], "auto", "tools[0].type"),
        ([{"type": "web_search", "external_web_access": True}], "auto", "tools[0].type"),
        ([{**CACHED, "external_web_access": 0}], "auto", "tools[0].external_web_access"),
        ([{**CACHED, "extra": 1}], "auto", "tools[0].extra"),
        ([CACHED], "required", "tool_choice"),
        ([CACHED], {"type": "web_search"}, "tool_choice"),
        ([{**AGENTS, "name": ""}], "auto", "tools[0].name"),
        ([{**AGENTS, "tools": {}}], "auto", "tools[0].tools"),
        ([{**AGENTS, "extra": 1}], "auto", "tools[0].extra"),
        ([{**AGENTS, "tools": [CLOCK, {"type": "custom", "name": "x"}]}], "auto", "tools[0].tools[1].type"),
        ([{**AGENTS, "tools": [{**CLOCK, "async": True}]}], "auto", "tools[0].tools[0].async"),
        ([AGENTS, AGENTS], "auto", "tools"),
        ([AGENTS, {**CLOCK, "name": "agents__clock"}], "auto", "tools"),
        ([AGENTS], {"type": "function", "name": "clock"}, "tool_choice"),
        ([CLOCK, {"type": "code_interpreter", "container": "x"}], "auto", "tools[1].type"),
        ([{"type": "mcp", "server_label": "x"}], "auto", "tools[0].type"),
        ([{"type": "custom", "name": "x"}], "auto", "tools[0].type"),
        ([{"type": 5}], "auto", "tools[0].type"),
        ([{"name": "x"}], "auto", "tools[0].type"),
        ([{"type": "function"}], "auto", "tools[0].name"),
        ([{"type": "function", "name": ""}], "auto", "tools[0].name"),
        ([{"type": "function", "name": "x", "parameters": "y"}], "auto", "tools[0].parameters"),
        ([{"type": "function", "name": "x", "async": True}], "auto", "tools[0].async"),
        ([{"type": "function", "name": "x", "defer_loading": True}], "auto", "tools[0].defer_loading"),
        ([{"type": "function", "name": "x", "output_schema": {}}], "auto", "tools[0].output_schema"),
        ([{"type": "function", "name": "x", "allowed_callers": ["programmatic"]}], "auto", "tools[0].allowed_callers"),
        ([CLOCK, CLOCK], "auto", "tools"),
        ([SEARCH, SEARCH], "auto", "tools"),
        ([{"type": "file_search"}], "auto", "tools[0].vector_store_ids"),
        ([{**SEARCH, "vector_store_ids": []}], "auto", "tools[0].vector_store_ids"),
        ([{**SEARCH, "vector_store_ids": [5]}], "auto", "tools[0].vector_store_ids[0]"),
        ([{**SEARCH, "max_num_results": 51}], "auto", "tools[0].max_num_results"),
        ([{**SEARCH, "max_num_results": 0}], "auto", "tools[0].max_num_results"),
        ([{**SEARCH, "ranking_options": {"ranker": "best"}}], "auto", "tools[0].ranking_options.ranker"),
        ([{**SEARCH, "ranking_options": {"score_threshold": 2}}], "auto", "tools[0].ranking_options.score_threshold"),
        ([{**SEARCH, "extra": 1}], "auto", "tools[0].extra"),
        ([], "required", "tool_choice"),
        ([CLOCK], "always", "tool_choice"),
        ([CLOCK], {}, "tool_choice.type"),
        ([CLOCK], {"type": "function"}, "tool_choice"),
        ([CLOCK], {"type": "function", "name": "sun"}, "tool_choice"),
        ([CLOCK], {"type": "file_search"}, "tool_choice"),
        ([CLOCK], {"type": "web_search_preview"}, "tool_choice"),
        ([CLOCK], {"type": "allowed_tools", "mode": "auto"}, "tool_choice.tools"),
        ([CLOCK], {"type": "allowed_tools", "mode": "none", "tools": []}, "tool_choice.mode"),
        (
            [CLOCK],
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "sun"}]},
            "tool_choice.tools[0]",
        ),
        ([CLOCK], {"type": "allowed_tools", "mode": "required", "tools": []}, "tool_choice"),
    ],
)
def test_what_is_refused(tools: list[dict[str, Any]], choice: Any, param: str) -> None:
    with pytest.raises(SamovarError) as caught:
        tools_given(tools, choice)
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert caught.value.failure.details["param"] == param
