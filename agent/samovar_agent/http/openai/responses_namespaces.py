"""Namespaces of `/v1/responses`: functions in groups, as coding agents send those of sub-agents and MCP servers.

Templates of models know no groups. The model is shown one list, with each group's name before those of its functions,
and what it calls is told to the client in two parts again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from samovar_agent.http.json_body import convert
from samovar_protocol.values import Name

Raw = dict[str, Any]

_BETWEEN = "__"


class NamespaceTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group. - description: shown to the model with the first of the functions."""

    type: Literal["namespace"]
    name: Name
    description: str | None = None
    tools: Annotated[list[Raw], Meta(max_length=1024)]


class Qualified(NamedTuple):
    """A function as the client knows it."""

    namespace: str
    name: str


class Member(NamedTuple):
    """A function of a group. - path: where it stands in the body. - about: what the model is told of the group."""

    entry: Raw
    namespace: str
    path: str
    about: str


def shown_name(namespace: str | None, name: str) -> str:
    """What a function is called towards the model."""
    if namespace is None:
        return name
    return f"{namespace}{'' if namespace.endswith(_BETWEEN) else _BETWEEN}{name}"


def members(entry: Raw, path: str) -> Iterator[Member]:
    """The functions of a group, as they came; raises `bad_request`. - path: where the group stands in the body."""
    group = convert(entry, NamespaceTool, at=path)
    about = f"[{group.name}: {group.description}]\n" if group.description else ""
    for index, function in enumerate(group.tools):
        yield Member(function, group.name, f"{path}.tools[{index}]", "" if index else about)
