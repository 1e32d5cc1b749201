"""How many requests were answered, by route and status."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aiohttp import web

from samovar_agent.http.incoming import Incoming

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

    def count(self, request: Incoming, status: int) -> None:
        """One request was answered."""
        counts = self._other
        if (matched := request.matched) is not None:
            found = self._of_route.get(matched.route)
            counts = found if found is not None else self._new(matched.route)
        counts[status] = counts.get(status, 0) + 1

    def _new(self, route: web.AbstractRoute) -> dict[int, int]:
        """The counts of a route that nobody used before; a table has a bounded number of them."""
        assert route.resource is not None, "routes of a table have a path"
        name = route.method, template(route.resource.canonical)
        counts = self._of_route[route] = self._counts.setdefault(name, {})
        return counts

    def all(self) -> Iterator[tuple[str, str, int, int]]:
        """Method, path as the table has it, status, and how many; none that are 0."""
        for (method, path), counts in self._counts.items():
            for status, count in counts.items():
                yield method, path, status, count


def template(path: str) -> str:
    """A route's path without what may stand in its places: `/v1/models/{id:.+}` is `/v1/models/{id}`."""
    return _PATTERN.sub(r"\1\2", path)
