from __future__ import annotations

import msgspec
import pytest

from samovar_protocol.replies import ConfigReply, NetworkJournalReply
from samovar_protocol.requests import ConfigSet, NetworkJournal, Status
from samovar_protocol.values import JournalEntry, NetworkInfo, NetworkPolicy, Setting
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


@pytest.mark.parametrize("policy", ["online", "ask", "offline"])
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


ENTRY = JournalEntry(
    id=1,
    started_at=1.0,
    ended_at=2.0,
    purpose="model-download",
    host="hub.example",
    bytes_received=5_000_000,
    bytes_sent=300,
    outcome="ok",
    requester="samovar-cli",
    detail="SmolLM2",
)


def test_the_journal_says_what_left(agent: FakeAgent) -> None:
    open_one = msgspec.structs.replace(ENTRY, bytes_received=None, bytes_sent=None, outcome=None, host="")
    agent.replies[NetworkJournal] = NetworkJournalReply(entries=[open_one, ENTRY])
    lines = samovar("network", "journal", "--limit", "7", "--purpose", "model-download").stdout.splitlines()
    assert agent.requests == [NetworkJournal(limit=7, purpose="model-download")]
    assert lines[1].split()[2:] == ["model-download", "-", "-", "-", "samovar-cli", "open", "SmolLM2"]
    assert lines[2].split()[2:] == [
        "model-download", "hub.example", "5", "MB", "300", "B", "samovar-cli", "ok", "SmolLM2",
    ]  # fmt: skip


def test_an_empty_journal_says_so(agent: FakeAgent) -> None:
    agent.replies[NetworkJournal] = NetworkJournalReply(entries=[])
    assert samovar("network", "journal").stderr == "Nothing has left this machine.\n"


def test_journal_as_json(agent: FakeAgent) -> None:
    agent.replies[NetworkJournal] = NetworkJournalReply(entries=[ENTRY])
    assert document(samovar("network", "journal", "--json")) == {"entries": [msgspec.to_builtins(ENTRY)]}


def test_json(agent: FakeAgent) -> None:
    assert document(samovar("network", "status", "--json")) == {"policy": "online", "connected": True}
