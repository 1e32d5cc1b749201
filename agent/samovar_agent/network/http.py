"""HTTP to other machines: the one place from which bytes leave, counted, slowed down and cut as the gate says.

async with gate.connection("model-download", "", requester, asked=True) as connection:
    async with http.request(connection, url) as response:
        if response.status != 200:
            raise refusal_of(response, "the model")
        async for chunk in response.chunks():
            ...
"""

# ruff: noqa: TID251 - one of the few files that may reach other machines

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal

import aiohttp
from yarl import URL

from samovar_agent import __version__
from samovar_agent.network.gate import Connection
from samovar_agent.network.proxies import proxy_for
from samovar_agent.network.rate import Rate
from samovar_agent.network.refusals import connection_failure, refusal_of, web_page
from samovar_agent.network.resolver import Resolver
from samovar_agent.settings import SettingsFile
from samovar_protocol import FailureCode, SamovarError

__all__ = ["Http", "Response", "origin", "refusal_of", "web_page"]

_REDIRECTS = 5
_REDIRECT = {301, 302, 303, 307, 308}
_CHUNK = 1 << 17
_SECRET = {"authorization", "cookie", "proxy-authorization"}
_KEEP_ALIVE_SECONDS = 2.0
"""Long enough for the next part of the same file; a person who goes offline should not find idle connections."""

_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError, ValueError)


class Response:
    """An answer while it comes in.

    - status, headers (case-insensitive): as they came. - url: where it came from in the end, after redirects.
    """

    def __init__(
        self, answer: aiohttp.ClientResponse, connection: Connection, rate: Rate, stall_seconds: float
    ) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.url = str(answer.url)
        self._answer = answer
        self._connection = connection
        self._rate = rate
        self._stall_seconds = stall_seconds

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes in, at most 128 KiB at a time.

        Raises `network_failed` where it stops coming or ends before its announced length.
        """
        self._check_encoding()
        while chunk := await self._next():
            yield chunk

    async def read(self, limit: int) -> bytes:
        """The whole body; raises `network_failed` where it is longer than `limit` bytes, without reading on."""
        self._check_encoding()
        if (self._answer.content_length or 0) > limit:
            raise self._too_long(limit)
        body = bytearray()
        while chunk := await self._next():
            body += chunk
            if len(body) > limit:
                raise self._too_long(limit)
        return bytes(body)

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._stall_seconds):
                chunk = await self._answer.content.read(self._rate.chunk(_CHUNK))
        except _ERRORS as error:
            raise connection_failure(self._answer.url.host or "", error) from error
        self._connection.received(len(chunk))
        await self._rate.take(len(chunk))
        return chunk

    def _check_encoding(self) -> None:
        """We ask for plain bytes; packed ones would have another length, and could unpack to anything."""
        if self.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise SamovarError(
                FailureCode.NETWORK_FAILED,
                f"{self._answer.url.host} sent packed bytes although we asked for plain ones.",
                hint="If a proxy of your network does this, ask who runs it; or try another source.",
            )

    def _too_long(self, limit: int) -> SamovarError:
        return SamovarError(
            FailureCode.NETWORK_FAILED,
            f"{self._answer.url.host} wanted to send more than the {limit:,} bytes that this may be.",
            hint="Check the address; something else answers there.",
        )


class Http:
    """Opens connections for permissions that the gate gave. One for the whole agent.

    - settings: has the bandwidth limit, looked at all the time.
    - connect_seconds: to find the address and connect. - stall_seconds: without a byte, until it counts as failed.
    """

    def __init__(self, settings: SettingsFile, *, connect_seconds: float = 15.0, stall_seconds: float = 30.0) -> None:
        self._connect_seconds = connect_seconds
        self._stall_seconds = stall_seconds
        self._rate = Rate(lambda: settings.current.network.megabytes_per_second * 1e6)
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def request(
        self,
        connection: Connection,
        url: str,
        *,
        method: Literal["GET", "HEAD"] = "GET",
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> AsyncIterator[Response]:
        """Ask for `url`, follow at most five redirects, and give the answer, whatever its status is.

        - connection: the gate's permission; its host becomes the one that answers, and its bytes are counted.
        - token: sent as a bearer token to the host of `url`; no redirect takes it to another one.
        Raises `network_failed` where no answer comes, or redirects go in circles or from https to http.
        """
        at = _address(url)
        secret = {"Authorization": f"Bearer {token}"} if token else {}
        plain = {"User-Agent": f"samovar/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        for _ in range(_REDIRECTS + 1):
            answer = await self._ask(connection, method, at, plain | secret)
            try:
                location = answer.headers.get("Location")
                if answer.status not in _REDIRECT or not location:
                    yield Response(answer, connection, self._rate, self._stall_seconds)
                    return
            finally:
                # Not `release`: what has not been read by now is not wanted, and may be without end.
                if answer.content.at_eof():
                    answer.release()
                else:
                    answer.close()
            following = _redirected(at, location)
            if origin(following) != origin(at):
                secret = {}
                plain = {name: value for name, value in plain.items() if name.lower() not in _SECRET}
            at = following
        raise SamovarError(
            FailureCode.NETWORK_FAILED,
            f"{_address(url).host} sends us from one address to the next without end.",
            hint="Try another source.",
        )

    async def close(self) -> None:
        """Close every connection; afterwards the next request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self, connection: Connection, method: str, url: URL, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        host = url.host or ""
        connection.host = host
        connection.by_way_of[host] = None
        proxy = proxy_for(url)
        size = len(method) + len(url.raw_path_qs) + _size_of(headers.items())
        connection.sent(size)
        try:
            async with asyncio.timeout(self._connect_seconds + self._stall_seconds):
                answer = await self._opened().request(method, url, headers=headers, proxy=proxy, allow_redirects=False)
        except _ERRORS as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                connection.sent(-size)  # there was nobody to send it to
            raise connection_failure(host, error) from error
        connection.received(_size_of(answer.headers.items()))
        return answer

    def _opened(self) -> aiohttp.ClientSession:
        """The session; made when first needed, so that an agent that stays offline never pays for it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=Resolver(), limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ttl_dns_cache=10
                ),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,  # it would also send what ~/.netrc has; the proxy is ours to find
            )
        return self._session


def origin(url: URL | str) -> tuple[str, str, int | None]:
    """Scheme, host and port: who gets what is sent there."""
    url = URL(url)
    return (url.scheme, (url.host or "").lower().rstrip("."), url.port)


def _size_of(headers: object) -> int:
    """Bytes that headers take on their way, nearly."""
    assert hasattr(headers, "__iter__")
    return sum(len(name) + len(value) + 4 for name, value in headers)


def _address(url: str) -> URL:
    try:
        address = URL(url)
        sound = address.scheme in ("http", "https") and bool(address.host)
    except (ValueError, TypeError):
        sound = False
    if not sound:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"{url[:200]!r} is not an address on the web.",
            hint="Use one that begins with https://.",
        )
    return address


def _redirected(at: URL, location: str) -> URL:
    try:
        # Signed addresses must be sent back exactly as they came.
        following = at.join(URL(location, encoded=True))
        sound = following.scheme in ("http", "https") and bool(following.host)
    except ValueError:
        sound = False
    if not sound or (at.scheme == "https" and following.scheme != "https"):
        raise SamovarError(
            FailureCode.NETWORK_FAILED,
            f"{at.host} sends us to an address that is not safe to follow.",
            hint="Try another source; or, where a network wants you to log in, open a browser first.",
        )
    return following
