"""Which sockets are opened, and what is said where that does not work."""

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from samovar_agent.http import binding
from samovar_agent.http.binding import bind, is_loopback
from samovar_agent.settings import ServerSettings
from tests.samovar_agent.http.conftest import Agent, Browser


@pytest.fixture
def held() -> Iterator[int]:
    """A port that another program has, with a free one after it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_both_loopback_addresses_have_one_port() -> None:
    bound = await bind(ServerSettings(port=0), has_token=False)
    names = ["127.0.0.1", "[::1]"] if has_ipv6() else ["127.0.0.1"]
    assert bound.urls == [f"http://{name}:{bound.port}" for name in names]
    assert {opened.getsockname()[1] for opened in bound.sockets} == {bound.port}
    assert bound.problem is None and not bound.exposed
    close(bound)


async def test_a_taken_port_is_named_with_its_holder_and_a_remedy(held: int) -> None:
    bound = await bind(ServerSettings(port=held), has_token=False)
    assert not bound.sockets and not bound.urls
    assert bound.problem is not None
    for part in (f"Port {held} is taken by", f"process {os.getpid()}", "config set server.port", "port_fallback"):
        assert part in bound.problem


async def test_a_taken_port_on_one_address_leaves_nothing_open_on_the_other(held: int) -> None:
    bound = await bind(ServerSettings(port=held, hosts=["::1", "127.0.0.1"]), has_token=False)
    assert not bound.sockets
    if has_ipv6():
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", held))


async def test_the_next_free_port_where_the_settings_allow_it(held: int) -> None:
    bound = await bind(ServerSettings(port=held, port_fallback=True), has_token=False)
    assert held < bound.port <= held + binding.FALLBACK_PORTS
    assert bound.urls and bound.problem is not None
    assert f"Port {held} is taken by" in bound.problem and str(bound.port) in bound.problem
    close(bound)


async def test_fallback_gives_up_with_the_last_port(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def taken(addresses: list[str], port: int) -> object:
        tried.append(port)
        raise OSError(errno.EADDRINUSE, "in use")

    monkeypatch.setattr(binding, "open_all", taken)
    bound = await bind(ServerSettings(port=65530, port_fallback=True), has_token=False)
    assert tried == list(range(65530, 65536)) and bound.problem


async def test_the_agent_starts_without_http_where_the_port_is_taken(idle_agent: Agent, held: int) -> None:
    idle_agent.settings.set("server.port", held)
    info = await idle_agent.start()
    assert info.urls == [] and info.problem and idle_agent.services.http == info
    await idle_agent.server.stop()


async def test_the_fallback_port_answers(idle_agent: Agent, browser: Browser, held: int) -> None:
    idle_agent.settings.set("server.port", held)
    idle_agent.settings.set("server.port_fallback", True)
    info = await idle_agent.start()
    assert info.problem and idle_agent.port != held
    assert (await browser.ask("GET", "/health")).status == 200


async def test_without_ipv6_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def without_ipv6(family: int = socket.AF_INET, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "not supported")
        return real(family, *rest)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    bound = await bind(ServerSettings(port=0), has_token=False)
    assert bound.urls == [f"http://127.0.0.1:{bound.port}"] and bound.problem is None
    close(bound)


@pytest.mark.parametrize(("wildcard", "instead"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
async def test_the_network_is_not_let_in_without_a_token(wildcard: str, instead: str) -> None:
    bound = await bind(ServerSettings(port=0, hosts=[wildcard]), has_token=False)
    assert not bound.exposed and bound.addresses <= {instead}
    assert bound.problem is not None and "token" in bound.problem and wildcard in bound.problem
    close(bound)


async def test_loopback_is_served_beside_a_refused_address() -> None:
    bound = await bind(ServerSettings(port=0, hosts=["192.0.2.7", "127.0.0.1"]), has_token=False)
    assert bound.urls == [f"http://127.0.0.1:{bound.port}"]
    assert bound.problem is not None and "192.0.2.7" in bound.problem
    close(bound)


async def test_all_addresses_with_a_token() -> None:
    bound = await bind(ServerSettings(port=0, hosts=["127.0.0.1", "0.0.0.0"]), has_token=True)
    assert bound.addresses == {"0.0.0.0"} and bound.exposed and bound.problem is None
    assert bound.urls == [f"http://127.0.0.1:{bound.port}"]
    close(bound)


async def test_an_address_that_is_not_here_is_named() -> None:
    bound = await bind(ServerSettings(port=0, hosts=["192.0.2.7", "127.0.0.1"]), has_token=True)
    assert bound.addresses == {"127.0.0.1"}
    assert bound.problem is not None and "no address 192.0.2.7" in bound.problem
    close(bound)


async def test_localhost_is_both_and_names_are_not_looked_up() -> None:
    bound = await bind(ServerSettings(port=0, hosts=["localhost", "samovar.test"]), has_token=True)
    assert "127.0.0.1" in bound.addresses
    assert bound.problem is not None and "'samovar.test'" in bound.problem
    close(bound)


async def test_a_forbidden_port_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(address: str, port: int) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(binding, "_open", forbidden)
    bound = await bind(ServerSettings(port=80), has_token=False)
    assert bound.problem is not None and "Permission denied" in bound.problem and "config set" in bound.problem


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("192.168.1.5", False),
        ("::", False),
        ("::ffff:192.168.1.5", False),
        ("fe80::1", False),
    ],
)
def test_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def close(bound: binding.Bound) -> None:
    for opened in bound.sockets:
        opened.close()
