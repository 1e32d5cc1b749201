"""Where the server listens: sockets for the configured addresses, or a sentence why not.

The agent starts without HTTP rather than not at all, so nothing here raises.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass, field

from samovar_agent.settings import ServerSettings

FALLBACK_PORTS = 20
"""How many ports after the configured one are tried where the settings allow it."""

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised here, bound only when configured
_ADDRESS_MISSING = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


@dataclass(frozen=True, slots=True)
class Bound:
    """The result.

    - addresses: IP addresses listened on. - problem: what did not work and what to do, if anything. - secure: by TLS.
    - exposed: not only to this machine. - origins: that the server's own pages would have.
    """

    sockets: list[socket.socket] = field(default_factory=list)
    addresses: frozenset[str] = frozenset()
    port: int = 0
    problem: str | None = None
    secure: bool = False
    exposed: bool = field(init=False, default=False)
    origins: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "exposed", not all(map(is_loopback, self.addresses)))
        names = {_in_url(address) for address in self.addresses} | {"localhost"}
        object.__setattr__(self, "origins", frozenset(f"{self._scheme}://{name}:{self.port}" for name in names))

    @property
    def urls(self) -> list[str]:
        """Base URLs that work from this machine, loopback first."""
        local = {_WILDCARDS.get(address, address): None for address in self.addresses}
        ordered = sorted(local, key=lambda address: (not is_loopback(address), ":" in address, address))
        return [f"{self._scheme}://{_in_url(address)}:{self.port}" for address in ordered]

    @property
    def _scheme(self) -> str:
        return "https" if self.secure else "http"


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach `address`."""
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


async def bind(settings: ServerSettings, *, has_token: bool, secure: bool = False) -> Bound:
    """Listen where the settings say.

    - has_token: an API token exists, so the network may be let in. - secure: what comes will be TLS.
    """
    addresses, problems = _allowed_addresses(settings.hosts, has_token=has_token)
    last = settings.port + (FALLBACK_PORTS if settings.port_fallback and settings.port else 0)
    for port in range(settings.port, min(last, 65535) + 1):
        try:
            sockets, port_problems = open_all(addresses, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                problems.append(f"Port {port} could not be opened: {error.strerror}. Choose another: {_SET_PORT}.")
                return Bound(problem=" ".join(problems))
            continue
        port = port_of(sockets) or port
        if settings.port not in (0, port):
            problems.append(f"{await who_has(settings.port)}, so the local server uses {port}.")
        problems += port_problems
        listening = frozenset(str(opened.getsockname()[0]) for opened in sockets)
        return Bound(sockets, listening, port, " ".join(problems) or None, secure)
    remedy = f"Stop that program, or choose another port: {_SET_PORT}."
    if not settings.port_fallback:
        remedy += " To take the next free one by itself: `samovar config set server.port_fallback true`."
    problems.append(f"{await who_has(settings.port)}. {remedy}")
    return Bound(problem=" ".join(problems))


_SET_PORT = "`samovar config set server.port NUMBER`, then `samovar down` and `samovar up`"


def _allowed_addresses(hosts: list[str], *, has_token: bool) -> tuple[list[str], list[str]]:
    """The IP addresses to listen on, and what is wrong with the others."""
    addresses: dict[str, None] = {}
    problems = []
    for host in hosts:
        if host.lower() == "localhost":
            addresses |= {"127.0.0.1": None, "::1": None}
            continue
        try:
            address = str(ipaddress.ip_address(host.strip("[]")))
        except ValueError:
            # Names are not looked up: starting never waits for a name server.
            problems.append(f"The setting server.hosts has '{host}', which is not an IP address.")
            continue
        if has_token or is_loopback(address):
            addresses[address] = None
            continue
        problems.append(
            f"The server does not listen on {address} because no API token exists. "
            "Make one with `samovar server token create`, then `samovar down` and `samovar up`."
        )
        if address in _WILDCARDS:
            addresses[_WILDCARDS[address]] = None  # all addresses include loopback, which is harmless
    # A wildcard takes the port on every address of its family.
    taken = {ipaddress.ip_address(address).version for address in addresses if address in _WILDCARDS}
    kept = [a for a in addresses if a in _WILDCARDS or ipaddress.ip_address(a).version not in taken]
    return kept, problems


def open_all(addresses: list[str], port: int) -> tuple[list[socket.socket], list[str]]:
    """Listen on one port at all addresses, or raise OSError and listen nowhere.

    All or nothing, because `localhost` means 127.0.0.1 to one client and ::1 to the next: with another program on
    one of the two, requests would end up at either.
    """
    attempts = 10 if port == 0 else 1
    while True:
        attempts -= 1
        sockets: list[socket.socket] = []
        problems = []
        try:
            for address in addresses:
                try:
                    sockets.append(_open(address, port or port_of(sockets)))
                except OSError as error:
                    if error.errno not in _ADDRESS_MISSING:
                        raise
                    if address != "::1":  # a machine without IPv6 lacks nothing
                        problems.append(f"This machine has no address {address}, which the setting server.hosts names.")
        except OSError as error:
            for opened in sockets:
                opened.close()
            # A free port on the first address may be taken on the second; the next try gets another one.
            if error.errno == errno.EADDRINUSE and attempts:
                continue
            raise
        return sockets, problems


def _open(address: str, port: int) -> socket.socket:
    family, kind, protocol, _, name = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )[0]
    opened = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # or a second program could join in
        else:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # restart while old connections linger
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(name)
        opened.listen(128)  # here, because a race for the port is decided only now
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def port_of(sockets: list[socket.socket]) -> int:
    """The one port of all of them; 0 where there are none."""
    return int(sockets[0].getsockname()[1]) if sockets else 0


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


async def who_has(port: int) -> str:
    """Who listens on `port`, as the beginning of a sentence."""
    holder = await asyncio.to_thread(_holder, port)
    return f"Port {port} is taken by {holder}" if holder else f"Port {port} is taken by another program"


def _holder(port: int) -> str | None:
    """The program that listens on `port`, where this user may know."""
    import psutil  # only here: the ordinary start has no use for it

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.pid
            if listens and connection.laddr and connection.laddr.port == port:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        return None
    return None
