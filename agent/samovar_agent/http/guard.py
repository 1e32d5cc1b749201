"""Who may come in: the Host and Origin headers, and API tokens.

A web page can make a browser send requests to this machine. The Host check stops DNS rebinding, the Origin check
stops pages that nobody allowed, and the demand for JSON stops the cross-site form posts that browsers do not ask about.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Literal

from aiohttp import web

from samovar_agent.http.binding import Bound
from samovar_agent.http.dialects import dialect
from samovar_agent.http.errors import HttpRefusal, encoding_unknown
from samovar_agent.http.incoming import Incoming
from samovar_agent.platforms import connection_user
from samovar_agent.settings import ServerSettings
from samovar_agent.store.tokens import has_expired
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Scope, TokenInfo

Needs = Scope | tuple[Scope, ...] | Literal["any token", "nothing"]
"""What a route asks of a request that needs a token: a scope or several, just any token, or not even that."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_CURLS = "application/x-www-form-urlencoded"
"""The type of body that curl sends where it is told none."""

_OWNERS: frozenset[str] = frozenset({"documents", "models", "admin"})
"""Scopes of what only the agent's own user does without a token."""

_OF_OTHERS: frozenset[str | None] = frozenset({"cross-site", "same-site"})
"""What browsers say of requests by pages of other origins; the same site is also another port of this machine."""

_ENCODINGS = frozenset({"gzip", "deflate", "identity"})

_MOST_KNOWN_HOSTS = 64
"""Headers that were found good and are remembered; the same name may come with any port."""

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """The checks, against the settings as they are now.

    - settings: the current server settings. - find_token: the token that has a secret, or None.
    - bound: where the server listens; set once it does.
    """

    def __init__(self, settings: Callable[[], ServerSettings], find_token: Callable[[str], TokenInfo | None]) -> None:
        self._settings = settings
        self._find_token = find_token
        self.bound = Bound()
        self._known_hosts: set[str] = set()
        self._known_under: tuple[ServerSettings, Bound] | None = None

    def check_host(self, request: Incoming) -> None:
        """Refuse a request whose Host is not a name of this server."""
        if not self._knows_host(request):
            raise SamovarError(
                FailureCode.FORBIDDEN,
                f"The Host header {request.headers.get('Host', '')!r} is not a name of this server.",
                hint="Use http://localhost, or add the name to the setting server.allowed_hosts.",
            )

    def check_origin(self, request: Incoming) -> None:
        """Refuse what a web page asks that nobody allowed. Programs other than browsers send no Origin.

        Neither do browsers where a page has a picture or a link; but then they say that it is somebody else's.
        """
        origin = origin_of(request)
        if origin is None:
            if request.headers.get("Sec-Fetch-Site") in _OF_OTHERS:
                raise SamovarError(
                    FailureCode.FORBIDDEN,
                    "A web page of another origin may not use this server, nor may its links and pictures.",
                    hint="Type the address instead; or allow the page by the setting server.allowed_origins, and let it"
                    " ask by `fetch`.",
                )
        elif not self.allows_origin(request, origin):
            raise SamovarError(
                FailureCode.FORBIDDEN,
                f"The web origin {origin!r} may not use this server.",
                hint="If you trust it, add it to the setting server.allowed_origins.",
            )

    def allows_origin(self, request: web.BaseRequest, origin: str) -> bool:
        """Whether pages of this origin may use the server: our own, and those of the settings."""
        if origin in self.bound.origins:
            return True
        if origin == f"{request.scheme}://{request.headers.get('Host')}" and self._knows_host(request):
            return True  # also by way of a forwarded port or an allowed name
        # Sandboxed pages of anybody call themselves "null".
        return origin != "null" and origin in self._settings().allowed_origins

    def check_json(self, request: Incoming) -> None:
        """Refuse a change that a browser would send for any page without asking first.

        Programs that say nothing at all about their body are let in, because some do (LiteLLM, to `/api/chat`), and so
        is what curl says of any body where it is told nothing, for Ollama's paths, whose documentation asks like that.
        A page can do both, but then the browser says that it is one.
        """
        if request.method not in _WITH_BODY and not (request.method == "DELETE" and request.can_read_body):
            return
        _check_encoding(request)
        if request.content_type != "application/json":
            if _is_untold(request) and not _is_from_a_page(request):
                return
            raise HttpRefusal(
                415,
                FailureCode.BAD_REQUEST,
                "The body must be JSON.",
                hint="Send the header Content-Type: application/json; with curl: -H 'Content-Type: application/json'.",
            )

    def check_form(self, request: Incoming) -> None:
        """The same for uploads, whose form a browser does send without asking, but not without saying for whom."""
        _check_encoding(request)
        if request.content_type != "multipart/form-data":
            raise HttpRefusal(
                415,
                FailureCode.BAD_REQUEST,
                "The body must be a form with a file.",
                hint="Send it as multipart/form-data.",
            )

    def check_token(self, request: Incoming, needs: Needs) -> TokenInfo | None:
        """The valid API token that came with the request, if any; raises where one is needed and not there.

        On loopback, unless the setting `server.require_token` says otherwise, any token is accepted and none is
        needed: SDKs insist on sending some key, and people type "not-needed". But whoever reads documents, changes
        models or settings must be the user whose they are, as far as the system tells: others on this machine could
        otherwise read and move their files.
        """
        if needs == "nothing":
            return None
        secret = _secret(request)
        wanted = () if needs == "any token" else (needs,) if isinstance(needs, str) else needs
        required = self._settings().require_token or not request.connection.local
        required = required or (not _OWNERS.isdisjoint(wanted) and _is_somebody_else(request))
        if secret is None:
            if required:
                raise _unauthorized("This server needs an API token.")
            return None
        token = self._find_token(secret)
        if token is None or has_expired(token):
            if required:
                raise _unauthorized(_expired(token) if token else "The API token is unknown or revoked.")
            return None
        lacking = [scope for scope in wanted if not {scope, "admin"} & set(token.scopes)]
        if required and lacking:
            options = " ".join(f"--scope {scope}" for scope in wanted)
            raise SamovarError(
                FailureCode.FORBIDDEN,
                f"The API token '{token.name}' does not have the scope '{lacking[0]}'.",
                hint=f"Make one that has: `samovar server token create NAME {options}`.",
            )
        return token

    def _knows_host(self, request: web.BaseRequest) -> bool:
        # Not only `request.host`: that invents the machine's name where the header is missing, and an absolute address
        # in the request line replaces it; then both must be known.
        given = request.headers.getall("Host", ())
        if len(given) != 1 or not self._is_own_name(request, given[0]):
            return False
        return request.raw_path.startswith("/") or self._is_own_name(request, request.host)

    def _is_own_name(self, request: web.BaseRequest, given: str) -> bool:
        settings = self._settings()
        under = self._known_under
        if under is None or under[0] is not settings or under[1] is not self.bound:
            self._known_hosts.clear()
            self._known_under = settings, self.bound
        if given in self._known_hosts:
            return True
        name = _host_name(given)
        if not name:
            return False
        if (
            name in _LOOPBACK_NAMES
            or name in self.bound.addresses
            or name in {_host_name(allowed) for allowed in settings.allowed_hosts}
        ):
            if len(self._known_hosts) < _MOST_KNOWN_HOSTS:
                self._known_hosts.add(given)
            return True
        # Bound to all addresses, and reached by this one of them.
        return self.bound.exposed and name == _address(request, "sockname")


def origin_of(request: web.BaseRequest) -> str | None:
    """The web origin that asks, if any; several of them, which no browser sends, are one that nobody allows."""
    if "Origin" not in request.headers:
        return None
    return ", ".join(request.headers.getall("Origin"))


def _host_name(header: str) -> str:
    """The name or address in a Host header, without port and brackets; empty where it is not a valid one."""
    if header.startswith("["):
        name, closed, port = header[1:].partition("]")
        if not closed or ":" not in name or (port and not port.startswith(":")):
            return ""
        port = port[1:]
    elif header.count(":") > 1:
        return header.lower()  # a bare IPv6 address, as people write it in the settings
    else:
        name, _, port = header.partition(":")
    return "" if port and not (port.isascii() and port.isdecimal()) else name.lower()


def _is_untold(request: web.BaseRequest) -> bool:
    """Whether a program says nothing of its body, or what curl says of any."""
    told = request.headers.getall("Content-Type", ())
    return not told or (told == [_CURLS] and dialect(request.path) == "ollama")


def _is_from_a_page(request: web.BaseRequest) -> bool:
    """Whether a browser sends this, as each does that is younger than 2023: one of the first two is always there.

    Older ones send an Origin with most requests of this kind, and otherwise a Referer unless the page forbids it.
    """
    names = {name.lower() for name in request.headers}
    return bool(names & {"origin", "referer"}) or any(name.startswith("sec-fetch-") for name in names)


def _check_encoding(request: web.BaseRequest) -> None:
    """Refuse a body whose compression nobody has taken away."""
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.lower() not in _ENCODINGS:
        raise encoding_unknown()


def _secret(request: Incoming) -> str | None:
    authorization = request.headers.get("Authorization", "")
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return request.headers.get("x-api-key") or None


def _is_somebody_else(request: Incoming) -> bool:
    """Whether another user of this machine is at the other end; the administrator may read everything anyway.

    Asked once a connection: the system has a list of all connections to go through, and the answer stays the same.
    """
    connection = request.connection
    if connection.is_somebody_else is None:
        connection.is_somebody_else = _asked_of_system(request)
    return connection.is_somebody_else


def _asked_of_system(request: Incoming) -> bool:
    transport = request.transport
    own, other = (transport.get_extra_info(end) if transport is not None else None for end in ("sockname", "peername"))
    if not (isinstance(own, tuple) and isinstance(other, tuple)):
        return False  # a socket in a folder, whose permissions decide, or a connection that is lost
    user = connection_user((own[0], own[1]), (other[0], other[1]))
    return user is not None and user not in (0, os.geteuid())


def _address(request: web.BaseRequest, end: Literal["peername", "sockname"]) -> str | None:
    name = request.transport.get_extra_info(end) if request.transport is not None else None
    return str(name[0]) if name else None


def _expired(token: TokenInfo) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(token.expires_at))
    return f"The API token '{token.name}' has expired, on {moment}."


def _unauthorized(message: str) -> SamovarError:
    return SamovarError(
        FailureCode.UNAUTHORIZED,
        message,
        hint="Make one with `samovar server token create` and send it as `Authorization: Bearer TOKEN`.",
    )
