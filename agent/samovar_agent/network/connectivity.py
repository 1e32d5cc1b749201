"""Is there a network at all? Asks the operating system about its interfaces; sends nothing."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping

import psutil

_INSIDE = re.compile(
    r"docker|veth|virbr|lxcbr|lxdbr|podman|cni|flannel|cali|vmnet|vboxnet|br-[0-9a-f]{12}$"
    r"|vEthernet \((WSL|Default Switch)|VMware Network Adapter|VirtualBox Host-Only"
)
"""Interfaces that only lead to containers and virtual machines on this machine, which stay up without any network."""


def has_routable_address(up: Iterable[str], addresses: Mapping[str, Iterable[str]]) -> bool:
    """Whether an interface that is up has an address that reaches beyond its own cable.

    Interfaces of containers and virtual machines do not count.

    - up: names of interfaces that are up. - addresses: IPv4 and IPv6 addresses by interface; IPv6 may have a `%scope`.
    """
    return any(_is_routable(address) for name in up if not _INSIDE.match(name) for address in addresses.get(name, ()))


class Connectivity:
    """The machine's interfaces, looked at anew at each question."""

    def connected(self) -> bool:
        """Whether there seems to be a network; true where the operating system does not let us look.

        A network that is up may still be dead; only a connection tells.
        """
        try:
            up = [name for name, state in psutil.net_if_stats().items() if state.isup]
            addresses = {
                name: [entry.address for entry in entries if entry.family in (socket.AF_INET, socket.AF_INET6)]
                for name, entries in psutil.net_if_addrs().items()
            }
        except OSError:
            return True
        return has_routable_address(up, addresses)


def _is_routable(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)
