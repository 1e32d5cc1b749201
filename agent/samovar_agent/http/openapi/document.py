"""The OpenAPI document, version 3.1, of a table of routes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from samovar_agent import __version__
from samovar_agent.http.front import Empty, Route
from samovar_agent.http.openapi.examples import EXAMPLES
from samovar_agent.http.openapi.failures import ErrorSchemas
from samovar_agent.http.openapi.places import SERVERS, path_parameter, tag, tags
from samovar_agent.http.openapi.types import Types
from samovar_agent.http.request_counts import template

Json = dict[str, Any]

_ABOUT = """\
One server for several APIs: OpenAI's below `/v1`, Anthropic's at `/v1/messages`, Samovar's own below `/api/samovar`,
LM Studio's below `/api/v0` and `/api/v1`, Ollama's at the other paths below `/api`, and a few of llama.cpp's.

Over loopback no token is needed, unless the setting `server.require_token` says so; what needs `documents`, `models` or
`admin` is then for the agent's own user. What each route asks of a token stands beside its security scheme: scopes, all
of them, or `admin`, which allows everything. Failures have the shape that clients of that API read. A route with a
second media type answers with a stream of that type, mostly where the body has `"stream": true`.
"""

_PLAIN = {str: "text/plain", bytes: "application/octet-stream"}
_WITHOUT_SCHEMA = (None, Empty, NoReturn, *_PLAIN)
_STREAM_ABOUT = "Events, as they come: progress, pieces, and the whole reply last."


def document(table: Sequence[Route]) -> Json:
    """The document of these routes."""
    every = [*table, *(route.variant[1] for route in table if route.variant)]
    types = Types(kind for route in every for kind in (route.request, route.reply) if kind not in _WITHOUT_SCHEMA)
    errors = ErrorSchemas()
    paths: dict[str, Json] = {}
    for route in table:
        paths.setdefault(template(route.path), {})[route.method.lower()] = _operation(route, types, errors)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Samovar", "version": __version__, "description": _ABOUT, "license": {"name": "MIT"}},
        "servers": SERVERS,
        "tags": tags(operation["tags"][0] for methods in paths.values() for operation in methods.values()),
        "paths": paths,
        "components": {
            "schemas": types.used(paths) | errors.schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer sk-samovar-…`"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same token."},
            },
        },
    }


def _operation(route: Route, types: Types, errors: ErrorSchemas) -> Json:
    path = template(route.path)
    operation: Json = {
        "operationId": _id(route.method, path),
        "summary": route.about,
        "tags": [tag(path)],
        "security": _security(route),
        "responses": _replies(route, types) | errors.responses(route),
    }
    parameters = [path_parameter(part.strip("{}"), path) for part in path.split("/") if part.startswith("{")]
    if route.request is not None and route.method == "GET":
        parameters += types.parameters(route.request)
    elif route.request is not None:
        operation["requestBody"] = _body(route, types, EXAMPLES.get(f"{route.method} {path}", {}))
    if route.variant is not None:
        parameters += _variant(*route.variant, types)
    if parameters:
        operation["parameters"] = parameters
    return operation


def _id(method: str, path: str) -> str:
    """A name for programs that are generated, e.g. `post_v1_chat_completions`."""
    return re.sub(r"\W+", "_", f"{method.lower()}{path}").rstrip("_")


def _body(route: Route, types: Types, examples: Mapping[str, Json]) -> Json:
    if route.body == "form":
        return {"required": True, "content": {"multipart/form-data": {"schema": types.form(route.request)}}}
    content: Json = {"schema": types.inline(route.request)}
    if examples:
        content["examples"] = {
            re.sub(r"\W+", "_", about.lower()): {"summary": about, "value": body} for about, body in examples.items()
        }
    return {"required": types.needs_something(route.request), "content": {"application/json": content}}


def _variant(header: str, route: Route, types: Types) -> list[Json]:
    """The header, and the parameters that are for requests with it."""
    about = f"Only with the header `{header}`."
    parameters = types.parameters(route.request) if route.request is not None else []
    told = {"name": header, "in": "header", "required": False, "schema": {"type": "string"}, "description": route.about}
    return [told, *({**one, "description": about} for one in parameters)]


def _replies(route: Route, types: Types) -> Json:
    if route.reply is NoReturn:
        return {}
    content: Json = {}
    if route.reply in _PLAIN:
        content[_PLAIN[route.reply]] = {"schema": {"type": "string"} if route.reply is str else {}}
    elif route.reply not in _WITHOUT_SCHEMA:
        schema = types.schema(route.reply)
        if route.variant is not None:
            schema = {"anyOf": [schema, types.schema(route.variant[1].reply)]}
        content["application/json"] = {"schema": schema}
    if route.stream:
        content[route.stream] = {"schema": {"description": _STREAM_ABOUT}}
    return {"200": {"description": "What was asked for.", **({"content": content} if content else {})}}


def _security(route: Route) -> list[Json]:
    if route.needs == "nothing":
        return []
    scopes = [] if route.needs == "any token" else [route.needs] if isinstance(route.needs, str) else [*route.needs]
    return [{}, {"token": scopes}, {"key": scopes}]  # the first: over loopback
