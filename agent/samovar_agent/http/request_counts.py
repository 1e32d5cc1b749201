"""How many requests were answered, by route and status."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aiohttp import web

CLIENT_LEFT = 499
"""The status of a request whose client went away; nobody receives it."""

_PATTERN = re.compile(r"(\{\w+):[^{}]*(\})")

_OTHER = ("", "(none)")
"""What no route answers: unknown paths and methods, and questions of browsers."""


class RequestCounts:
    """Counts up; one dictionary a route, so that counting a request is two look-ups."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], dict[int, int]] = {}
        self._other: dict[int, int] = self._counts.setdefault(_OTHER, {})
        self._of_route: dict[web.AbstractRoute, dict[int, int]] = {}

    def register(self, route: web.AbstractRoute) -> None:
        """Count what this route answers under its own name."""
        resource = route.resource
        assert resource is not None, "routes of a table have a path"
        name = route.method, template(resource.canonical)
        self._of_route[route] = self._counts.setdefault(name, {})

    def count(self, request: web.Request, status: int) -> None:
        """One request was answered."""
        counts = self._of_route.get(request.match_info.route, self._other)
        counts[status] = counts.get(status, 0) + 1

    def all(self) -> Iterator[tuple[str, str, int, int]]:
        """Method, path as the table has it, status, and how many; none that are 0."""
        for (method, path), counts in self._counts.items():
            for status, count in counts.items():
                yield method, path, status, count


def template(path: str) -> str:
    """A route's path without what may stand in its places: `/v1/models/{id:.+}` is `/v1/models/{id}`."""
    return _PATTERN.sub(r"\1\2", path)
