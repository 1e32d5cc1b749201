"""Which tables of interfaces count as a network; the machine's own is only read, never judged."""

from __future__ import annotations

import psutil
import pytest

from samovar_agent.network.connectivity import Connectivity, has_routable_address


@pytest.mark.parametrize(
    ("up", "addresses", "connected"),
    [
        ([], {}, False),
        (["lo"], {"lo": ["127.0.0.1", "::1"]}, False),
        (["lo", "eth0"], {"lo": ["127.0.0.1"], "eth0": ["192.168.1.7"]}, True),
        (["lo"], {"lo": ["127.0.0.1"], "eth0": ["192.168.1.7"]}, False),
        (["wlan0"], {"wlan0": ["169.254.10.2", "fe80::1%wlan0"]}, False),
        (["en0"], {"en0": ["fe80::1%en0", "2001:db8::7"]}, True),
        (["en0"], {"en0": ["fd00::7"]}, True),
        (["utun0"], {"utun0": ["fe80::ce81:b1c:bd2c:69e%utun0"]}, False),
        (["tun0"], {"tun0": ["10.8.0.2"]}, True),
        (["eth0"], {}, False),
        (["docker0", "vethab12"], {"docker0": ["172.17.0.1"], "vethab12": ["172.17.0.9"]}, False),
        (["br-0123456789ab", "virbr0"], {"br-0123456789ab": ["172.18.0.1"], "virbr0": ["192.168.122.1"]}, False),
        (["vEthernet (WSL (Hyper-V firewall))"], {"vEthernet (WSL (Hyper-V firewall))": ["172.20.0.1"]}, False),
        (["vEthernet (External)"], {"vEthernet (External)": ["192.168.1.7"]}, True),
        (["br-lan"], {"br-lan": ["192.168.1.1"]}, True),
        (["docker0", "wlan0"], {"docker0": ["172.17.0.1"], "wlan0": ["192.168.1.7"]}, True),
        (["eth0"], {"eth0": ["0.0.0.0", "::", "not an address"]}, False),
    ],
)
def test_up_and_routable(up: list[str], addresses: dict[str, list[str]], connected: bool) -> None:
    assert has_routable_address(up, addresses) is connected


def test_the_machine_can_be_asked() -> None:
    assert Connectivity().connected() in {True, False}


def test_a_system_that_does_not_tell_does_not_forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError("not for you")

    monkeypatch.setattr(psutil, "net_if_stats", refuse)
    assert Connectivity().connected() is True
