from __future__ import annotations

import msgspec
import pytest

from samovar_protocol.replies import ConfigReply
from samovar_protocol.requests import ConfigSet, Status
from samovar_protocol.values import NetworkInfo, NetworkPolicy, Setting
from tests.samovar.cli.fakes import STATUS, FakeAgent, document, samovar


@pytest.mark.parametrize(
    ("policy", "connected", "words"),
    [("online", True, "downloads"), ("ask", True, "only what you ask"), ("offline", False, "there is no network now")],
)
def test_status(agent: FakeAgent, policy: NetworkPolicy, connected: bool, words: str) -> None:
    network = NetworkInfo(policy=policy, connected=connected)
    agent.replies[Status] = msgspec.structs.replace(STATUS, network=network)
    shown = samovar("network", "status").stdout
    assert shown.startswith(f"{policy}: ")
    assert words in shown


def test_status_starts_no_agent(agent: FakeAgent) -> None:
    agent.running = False
    assert samovar("network", "status").exit_code == 3
    assert agent.starts == 0


@pytest.mark.parametrize("policy", ["online", "offline"])
def test_the_policy_is_a_setting(agent: FakeAgent, policy: str) -> None:
    agent.replies[ConfigSet] = lambda request: ConfigReply(
        setting=Setting(key=request.key, value=request.value, default="online", about="")
    )
    assert samovar("network", policy).stdout == f"network.policy = {policy}\n"
    assert agent.requests == [ConfigSet(key="network.policy", value=policy)]
    assert document(samovar("network", policy, "--json")) == {
        "setting": {"key": "network.policy", "value": policy, "default": "online", "about": ""},
        "restart_needed": False,
    }


def test_json(agent: FakeAgent) -> None:
    assert document(samovar("network", "status", "--json")) == {"policy": "online", "connected": True}
