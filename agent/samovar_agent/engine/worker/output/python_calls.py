"""Calls written as Python: `[get_weather(city="Oslo", days=3)]`, perhaps inside of `print(...)`. Nothing is run."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Mapping

from samovar_protocol.values import Tool

MAX_CHARACTERS = 64 * 1024
"""Python's parser takes memory many times the size of its text."""


def parse_calls(code: str, tools: Mapping[str, Tool]) -> list[tuple[str, str]]:
    """Names and arguments as JSON; empty where `code` is anything but calls of `tools` with literal values."""
    if len(code) > MAX_CHARACTERS:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that a stranger's strings have wrong
            statements = ast.parse(code.strip()).body
        return [_call(node, tools) for statement in statements for node in _calls(statement)]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return []


def _calls(statement: ast.stmt) -> list[ast.expr]:
    if not isinstance(statement, ast.Expr):
        raise ValueError("not a call")
    node = statement.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print" and node.args:
        return node.args
    return node.elts if isinstance(node, ast.List | ast.Tuple) else [node]


def _call(node: ast.expr, tools: Mapping[str, Tool]) -> tuple[str, str]:
    if not isinstance(node, ast.Call):
        raise ValueError("not a call")
    name = ast.unparse(node.func).removesuffix(".call")
    if name not in tools:
        raise ValueError("not a tool")
    properties = tools[name].parameters.get("properties")
    keys = list(properties) if isinstance(properties, dict) else []
    if len(node.args) > len(keys) or any(keyword.arg is None for keyword in node.keywords):
        raise ValueError("more values than parameters")
    arguments = {key: ast.literal_eval(value) for key, value in zip(keys, node.args, strict=False)}
    arguments |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    return name, json.dumps(arguments, ensure_ascii=False, allow_nan=False)
