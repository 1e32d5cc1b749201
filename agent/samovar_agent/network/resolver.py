"""Names to addresses, asked of the operating system on threads that a silent name server may keep."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from samovar_agent.network.background import in_thread


class Resolver(AbstractResolver):
    """The operating system's resolver, for aiohttp."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Every address of `host`; raises `OSError` where it has none."""
        found = await in_thread(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        results: list[ResolveResult] = []
        for address_family, _, protocol, _, address in found:
            # A scope (fe80::1%eth0) only survives in its numeric form.
            numeric = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
            results.append(
                ResolveResult(
                    hostname=host,
                    host=numeric,
                    port=port,
                    family=address_family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""
