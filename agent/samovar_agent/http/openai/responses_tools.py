"""Tools of `/v1/responses`: functions of the caller, and the search in vector stores that is done here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert, refuse
from samovar_agent.http.openai.attribute_filters import AttributeFilter
from samovar_agent.http.openai.chat_tools import Chosen
from samovar_agent.http.openai.responses_namespaces import Qualified, members, shown_name
from samovar_protocol.values import Name, NamedTool, Tool

Raw = dict[str, Any]

_RULES: dict[str, tuple[Any, ...]] = {
    "allowed_callers": (["direct"],),
    "defer_loading": (False,),
    "output_schema": (),
}


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function. - strict: accepted either way; arguments always follow the schema here."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: Raw | None = None
    strict: bool | None = None
    async_: Literal[False] | None = msgspec.field(name="async", default=None)
    # Refused unless they ask for nothing.
    allowed_callers: Any = None
    defer_loading: Any = None
    output_schema: Any = None


Weight = Annotated[float, Meta(ge=0, le=1000)]


class HybridSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much meaning and words count. What is possible: both alike, or words alone."""

    embedding_weight: Weight
    text_weight: Weight


class RankingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """- ranker: accepted either way; there is one. - score_threshold: passages below it are left out."""

    ranker: Literal["auto", "default-2024-11-15"] | None = None
    score_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    hybrid_search: HybridSearch | None = None


class FileSearchTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A search. - vector_store_ids: collections, "vs_7" for the one with the id 7."""

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[Name], Meta(min_length=1, max_length=1000)]
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None
    filters: AttributeFilter | None = None


class WebSearchTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A search of the web, in what is cached of it. That is nothing here: the model is not told of this tool."""

    type: Literal["web_search", "web_search_2025_08_26"]
    external_web_access: bool | None = None
    # Of a search that finds nothing in any case.
    filters: Any = None
    search_context_size: Any = None
    user_location: Any = None


class ToolsGiven(NamedTuple):
    """What may be called. - search: done before the model is asked; `path` is where it stands in the body.

    - qualified: functions of namespaces, by what they are called towards the model. - left_out: types of tools that the
    model is not told of.
    """

    functions: list[Tool]
    choice: Chosen
    search: FileSearchTool | None = None
    path: str = ""
    qualified: Mapping[str, Qualified] = {}
    left_out: Sequence[str] = ()


class NamedChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool by its name, or the one of its type."""

    type: str
    name: Name | None = None
    namespace: Name | None = None


class AllowedChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Only some of the tools may be called, this once. - mode: "required" asks for at least one call."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[Raw], Meta(max_length=1024)]


def tools_given(entries: Sequence[Raw], choice: str | Raw) -> ToolsGiven:
    """The tools to offer, and what to do with them; raises `bad_request` where the two do not fit together.

    A search is made with each request that allows it, for what the user said last, and is then the call that
    "required" asks for: small models are bad at deciding when to search. A named function is called without one.
    """
    offered = _Offered()
    for index, entry in enumerate(entries):
        offered.add(entry, f"tools[{index}]")
    given = _chosen(offered.functions, choice, offered.search, offered.path)
    return given._replace(qualified=offered.qualified, left_out=offered.left_out)


class _Offered:
    """The tools of a request, each checked as it is added."""

    def __init__(self) -> None:
        self.functions: dict[str, Tool] = {}
        self.search: FileSearchTool | None = None
        self.path = ""
        self.qualified: dict[str, Qualified] = {}
        self.left_out: list[str] = []

    def add(self, entry: Raw, path: str) -> None:
        """One entry of the list; raises `bad_request`."""
        kind = entry.get("type")
        if kind == "file_search":
            if self.search is not None:
                raise bad_request("There are two searches.", param="tools", hint="Name all vector stores in one.")
            self.search, self.path = convert(entry, FileSearchTool, at=path), path
        elif kind == "namespace":
            for member in members(entry, path):
                tool = _function(member.entry, member.path)
                name = shown_name(member.namespace, tool.name)
                self.qualified[name] = Qualified(member.namespace, tool.name)
                self._add(Tool(name=name, description=member.about + tool.description, parameters=tool.parameters))
        elif kind in ("web_search", "web_search_2025_08_26"):
            _check_cached(convert(entry, WebSearchTool, at=path), path)
            self.left_out.append(kind)
        else:
            self._add(_function(entry, path))

    def _add(self, tool: Tool) -> None:
        if tool.name in self.functions:
            raise bad_request("Two tools have the same name.", param="tools", hint="Give each a name of its own.")
        self.functions[tool.name] = tool


def _check_cached(search: WebSearchTool, path: str) -> None:
    """Refuse a search that is to go to the web. In what is cached, nothing is found, which is an answer too."""
    if search.external_web_access is not False:
        raise bad_request(
            "There is no web search here.",
            param=f"{path}.type",
            hint='Leave it out; in Codex\'s config.toml: web_search = "disabled".',
        )


def _chosen(functions: dict[str, Tool], choice: str | Raw, search: FileSearchTool | None, path: str) -> ToolsGiven:
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            raise bad_request(
                f"'tool_choice' is {choice[:50]!r}.", param="tool_choice", hint="Send none, auto, required or a tool."
            )
        return _by_mode(choice, functions, search, path)
    if choice.get("type") != "allowed_tools":
        return _named(_choice(choice, "tool_choice", functions, search), functions, search, path)
    allowed = convert(choice, AllowedChoice, at="tool_choice")
    chosen = [
        _choice(tool, f"tool_choice.tools[{index}]", functions, search) for index, tool in enumerate(allowed.tools)
    ]
    kept = {name: functions[name] for name in chosen if name is not None}
    return _by_mode(allowed.mode, kept, search if None in chosen else None, path)


def _function(entry: Raw, path: str) -> Tool:
    kind = entry.get("type")
    if kind is None:
        raise bad_request(f"'{path}.type' is missing.", param=f"{path}.type")
    if kind != "function":
        raise bad_request(
            f"Tools of the type {str(kind)[:50]!r} are not supported.",
            param=f"{path}.type",
            hint="Functions, namespaces of them, and file_search are.",
        )
    function = convert(entry, FunctionTool, at=path)
    refuse(function, _RULES, f"{path}.")
    return Tool(name=function.name, description=function.description or "", parameters=function.parameters or {})


def _choice(choice: Raw, path: str, functions: dict[str, Tool], search: FileSearchTool | None) -> str | None:
    """The name of the function that is chosen; None for the search."""
    chosen = convert(choice, NamedChoice, at=path)
    if chosen.type == "file_search" and search is not None:
        return None
    name = chosen.name and shown_name(chosen.namespace, chosen.name)
    if chosen.type == "function" and name in functions:
        return name
    what = f"called '{chosen.name}'" if chosen.name else f"of the type '{chosen.type[:50]}'"
    raise bad_request(f"No tool is {what}.", param=path, hint="Name one of 'tools'.")


def _named(name: str | None, functions: dict[str, Tool], search: FileSearchTool | None, path: str) -> ToolsGiven:
    if name is None:
        return ToolsGiven([], "auto", search, path)
    return ToolsGiven(list(functions.values()), NamedTool(name=name))


def _by_mode(mode: str, functions: dict[str, Tool], search: FileSearchTool | None, path: str) -> ToolsGiven:
    offered = list(functions.values())
    if mode == "none":
        return ToolsGiven(offered, "none")
    if mode == "required" and search is None:
        if not offered:
            raise bad_request("A call is required, and there are no tools.", param="tool_choice", hint="Send 'tools'.")
        return ToolsGiven(offered, "required")
    return ToolsGiven(offered, "auto", search, path)
