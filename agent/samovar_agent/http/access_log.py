"""One line a request, at debug level only: method, path, status, time. Never what was said."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger


class AccessLog(AbstractAccessLogger):
    """aiohttp asks `enabled` once a connection and skips even the clock where it is false."""

    @property
    def enabled(self) -> bool:
        """Whether anybody wants the lines."""
        return self.logger.isEnabledFor(logging.DEBUG)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write one line. - time: seconds."""
        path = request.rel_url.raw_path  # still encoded, and without the query
        self.logger.debug("%s %s %d %.1f ms", request.method, path, response.status, time * 1000)
