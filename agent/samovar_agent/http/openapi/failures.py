"""Failures as a description has them: which statuses a route may have, and the shape of their bodies.

The shapes are not written down a second time: they are read from bodies that the dialects make of failures.
"""

from __future__ import annotations

import json
from collections.abc import Container
from contextvars import Context
from typing import Any

from samovar_agent.events import cause
from samovar_agent.http.dialects import ErrorBody, dialect, error_shape
from samovar_agent.http.errors import STATUS, HttpRefusal, bad_request
from samovar_agent.http.front import Route
from samovar_protocol import FailureCode, SamovarError

Json = dict[str, Any]

_ANY = (FailureCode.FORBIDDEN, FailureCode.INTERNAL, FailureCode.SHUTTING_DOWN, FailureCode.BUSY)
"""How any request may fail: Host and Origin, a defect, the agent's end, more at once than is served."""

_READING = (FailureCode.BAD_REQUEST, FailureCode.NOT_FOUND, FailureCode.DISK_FULL)
_TOO_LONG = 431
_TOO_SLOW, _WRONG_BODY, _WRONG_EXPECTATION = 408, 415, 417

_ABOUT: dict[int, str] = {
    400: "The request is not valid, or asks for something that there is not.",
    401: "A token is needed, and the one that came is missing, unknown or revoked.",
    403: "The token lacks a scope, or the Host or Origin is not allowed.",
    404: "There is no such thing; for a model, the message lists what there is.",
    408: "The body came too slowly.",
    409: "It is in use.",
    413: "The body is too large.",
    415: "The body is of another type.",
    417: "The header Expect wants something else than 100-continue.",
    422: "The model's file cannot be used.",
    429: "Too much waits already; see Retry-After.",
    431: "The address or the headers are too long.",
    499: "The work was cancelled, e.g. because its model was unloaded.",
    500: "Something went wrong inside Samovar.",
    502: "The engine's process ended, or the network failed.",
    503: "Samovar stops, or is offline; see Retry-After.",
    504: "A time limit ran out.",
    507: "Memory or disk do not suffice.",
}

_SAMPLES: tuple[SamovarError, ...] = (
    bad_request("The field is not valid.", param="field", hint="Leave it out."),
    SamovarError(FailureCode.UNAUTHORIZED, "A token is needed."),
    SamovarError(FailureCode.FORBIDDEN, "The scope is missing."),
    SamovarError(FailureCode.NOT_FOUND, "There is none.", hint="List them."),
    SamovarError(FailureCode.TOO_LARGE, "The body is too large."),
    SamovarError(FailureCode.BUSY, "Too many wait."),
    SamovarError(FailureCode.SHUTTING_DOWN, "The agent stops."),
    SamovarError(FailureCode.INTERNAL, "Something went wrong."),
    HttpRefusal(405, FailureCode.BAD_REQUEST, "It does not answer that."),
)
_REQUESTS = ("http-1", None)


def statuses(route: Route) -> list[int]:
    """The statuses of failures that this route may answer with."""
    codes: set[str] = {*_ANY, *route.fails}
    found = {_TOO_LONG, *(statuses(route.variant[1]) if route.variant else ())}
    if route.needs != "nothing":
        codes.add(FailureCode.UNAUTHORIZED)
    if route.method != "GET":
        codes |= set(STATUS)  # what changes something, or computes, meets all that can go wrong
        found |= {_TOO_SLOW, _WRONG_BODY, _WRONG_EXPECTATION}
    elif route.request is not None or "{" in route.path or route.stream:
        codes |= set(_READING)
    return sorted(found | {STATUS[code] for code in codes})


class ErrorSchemas:
    """The shapes of failures, by dialect. - schemas: those that were asked for, by name."""

    def __init__(self) -> None:
        self.schemas: dict[str, Json] = {}

    def responses(self, route: Route) -> dict[str, Json]:
        """What a route answers where it fails."""
        schema = self._reference(route.path, ())
        if route.variant is not None:
            schema = {"anyOf": [schema, self._reference(route.path, {route.variant[0]})]}
        content = {"application/json": {"schema": schema}}
        return {str(status): {"description": _ABOUT[status], "content": content} for status in statuses(route)}

    def _reference(self, path: str, headers: Container[str]) -> Json:
        shape = error_shape(path, headers)
        name = f"{dialect(path, headers).title()}ErrorBody"
        if name not in self.schemas:
            bodies = [Context().run(_body, shape, sample, request) for sample in _SAMPLES for request in _REQUESTS]
            self.schemas[name] = _described(bodies)
        return {"$ref": f"#/components/schemas/{name}"}


def _body(shape: ErrorBody, error: SamovarError, request: str | None) -> Any:
    """A failure as it is told of a request, or before there is one."""
    cause.set(request)
    return json.loads(shape(error))


def _described(values: list[Any]) -> Json:
    """The narrowest schema that allows all these values, of what a failure's body is made of."""
    options: list[Json] = []
    if objects := [value for value in values if isinstance(value, dict)]:
        names = dict.fromkeys(name for one in objects for name in one)
        options.append(
            {
                "type": "object",
                "properties": {name: _described([one[name] for one in objects if name in one]) for name in names},
                "required": [name for name in names if all(name in one for one in objects)],
            }
        )
    for kind, name in ((str, "string"), (bool, "boolean"), (int, "integer"), (float, "number"), (type(None), "null")):
        if any(type(value) is kind for value in values):
            options.append({"type": name})
    if lists := [value for value in values if isinstance(value, list)]:
        options.append({"type": "array", "items": _described([one for value in lists for one in value])})
    return options[0] if len(options) == 1 else {"anyOf": options}
