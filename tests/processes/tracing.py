"""Which addresses a program and all its children talk to, seen from outside by strace.

    trace = Trace(folder / "trace")
    subprocess.Popen([*trace.command(), "samovar", ...])
    assert trace.leaks() == []

Everything that gives an address to the kernel is seen, whichever library does it: Python, C++, glibc's resolver.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

_CALLS = "connect,sendto,sendmsg,sendmmsg"
"""The kernel's doors for what leaves."""

_BACK_DOOR = "io_uring_setup:error=ENOSYS"
"""io_uring could open connections without any of these calls; told that there is none, programs do without it."""

_LINE = re.compile(r"^(?P<pid>\d+)\s+(?P<call>\w+)\((?P<arguments>.*)$")
_FAMILY = re.compile(r"sa_family=(AF_\w+|0x[0-9a-f]+|\d+)")
_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_PATH = re.compile(r'sun_path=@?"([^"]*)"')
_DNS_PORTS = {53, 853, 5353}
_RESOLVERS = ("systemd/resolve", "avahi", "nscd")
"""Local sockets of programs that ask name servers for others."""


@dataclass(frozen=True)
class Leak:
    """Something that would have left. - pid: of the process or thread. - line: as strace has it."""

    pid: int
    call: str
    line: str


class Trace:
    """A record of one program. - path: the file that strace writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self) -> list[str]:
        """What to put before the program's own command line; skips the test where there is no strace."""
        strace = shutil.which("strace")
        if strace is None:
            pytest.skip("needs strace (Debian: apt-get install strace)")
        # --seccomp-bpf: only these calls stop, so that the program keeps its speed. -s 0: no contents, only addresses.
        options = ["-f", "-qq", "--seccomp-bpf", "-s", "0", "-e", f"trace={_CALLS},io_uring_setup"]
        return [strace, *options, "-e", f"inject={_BACK_DOOR}", "-o", str(self.path)]

    def lines(self) -> list[str]:
        """Everything seen so far."""
        return self.path.read_text(errors="replace").splitlines() if self.path.exists() else []

    def leaks(self) -> list[Leak]:
        """What was addressed to anywhere but this machine."""
        return [leak for line in self.lines() if (leak := leak_of(line))]


def leak_of(line: str) -> Leak | None:
    """The leak that a line of strace shows, if it is one; addresses are shown when a call begins."""
    found = _LINE.match(line)
    if found is None:
        return None
    call, arguments = found["call"], found["arguments"]
    if call == "io_uring_setup":
        return None if "ENOSYS" in arguments or "unfinished" in arguments else Leak(int(found["pid"]), call, line)
    families = _FAMILY.findall(arguments)
    if families:
        stays = all(_stays(family, arguments) for family in families)
    else:  # goes where an earlier `connect` went, which we saw; else only the kernel knows
        stays = call != "connect" and ("msg_name=NULL" in arguments or ", NULL, 0" in arguments)
    return None if stays else Leak(int(found["pid"]), call, line)


def _stays(family: str, arguments: str) -> bool:
    if family in ("AF_UNSPEC", "AF_NETLINK"):  # undoes a connection; asks the kernel
        return True
    if family == "AF_UNIX":
        resolvers = [path for path in _PATH.findall(arguments) if any(name in path for name in _RESOLVERS)]
        return not any(Path(path).exists() for path in resolvers)
    addresses = [v4 or v6 for v4, v6 in _ADDRESS.findall(arguments)]
    ports = {int(port) for port in _PORT.findall(arguments)}
    return bool(addresses) and all(_is_loopback(address) for address in addresses) and not ports & _DNS_PORTS


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
