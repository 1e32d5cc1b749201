from __future__ import annotations

import pytest

from samovar.cli.options import COMPLETION_SECONDS
from samovar_protocol.replies import ConfigLsReply, ConfigReply
from samovar_protocol.requests import ConfigGet, ConfigLs, ConfigSet
from samovar_protocol.values import Setting
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar
from tests.samovar.cli.test_completion import complete

PORT = Setting(key="server.port", value=8080, default=7266, about="Port of the local server.")
HOSTS = Setting(key="server.hosts", value=["127.0.0.1", "::1"], default=["127.0.0.1", "::1"], about="Addresses.")
TRAY = Setting(key="tray.enabled", value=False, default=True, about="Start the tray.")
FOLDERS = Setting(key="models.folders", value=[], default=[], about="Further folders.")


@pytest.mark.parametrize(
    ("setting", "text"), [(PORT, "8080"), (HOSTS, "127.0.0.1,::1"), (TRAY, "false"), (FOLDERS, "")]
)
def test_get_prints_the_value_alone(agent: FakeAgent, setting: Setting, text: str) -> None:
    agent.replies[ConfigGet] = ConfigReply(setting=setting)
    assert samovar("config", "get", setting.key).stdout == f"{text}\n"
    assert agent.requests == [ConfigGet(key=setting.key)]


def test_set_prints_the_new_value_and_says_when_it_holds(agent: FakeAgent) -> None:
    agent.replies[ConfigSet] = ConfigReply(setting=PORT, restart_needed=True)
    result = samovar("config", "set", "server.port", "8080")
    assert agent.requests == [ConfigSet(key="server.port", value="8080")]
    assert result.stdout == "server.port = 8080\n"
    assert "next start" in result.stderr


def test_set_that_holds_at_once(agent: FakeAgent) -> None:
    agent.replies[ConfigSet] = ConfigReply(setting=PORT)
    assert samovar("config", "set", "server.port", "8080").stderr == ""


def test_set_to_the_default(agent: FakeAgent) -> None:
    agent.replies[ConfigSet] = ConfigReply(setting=PORT)
    samovar("config", "set", "server.port", "--default")
    assert agent.requests == [ConfigSet(key="server.port", value=None)]


@pytest.mark.parametrize("arguments", [["server.port"], ["server.port", "1", "--default"]])
def test_set_needs_a_value_or_the_default(agent: FakeAgent, arguments: list[str]) -> None:
    assert samovar("config", "set", *arguments).exit_code == 2
    assert agent.requests == []


def test_an_unknown_setting_and_a_bad_value_have_exit_codes(agent: FakeAgent) -> None:
    agent.replies[ConfigGet] = failure("setting_unknown")
    agent.replies[ConfigSet] = failure("setting_invalid")
    assert samovar("config", "get", "x").exit_code == 4
    assert samovar("config", "set", "x", "y").exit_code == 2


def test_ls_shows_the_default_where_it_is_another(agent: FakeAgent) -> None:
    agent.replies[ConfigLs] = ConfigLsReply(settings=[FOLDERS, HOSTS, PORT])
    assert samovar("config", "ls").stdout.splitlines() == [
        "SETTING         VALUE          DEFAULT  ABOUT",
        'models.folders  ""                      Further folders.',
        "server.hosts    127.0.0.1,::1           Addresses.",
        "server.port     8080           7266     Port of the local server.",
    ]


def test_json(agent: FakeAgent) -> None:
    port = {"key": "server.port", "value": 8080, "default": 7266, "about": "Port of the local server."}
    agent.replies[ConfigGet] = ConfigReply(setting=PORT)
    agent.replies[ConfigSet] = ConfigReply(setting=PORT, restart_needed=True)
    agent.replies[ConfigLs] = ConfigLsReply(settings=[PORT])
    assert document(samovar("config", "get", "server.port", "--json")) == {"setting": port, "restart_needed": False}
    assert document(samovar("config", "set", "server.port", "1", "--json")) == {"setting": port, "restart_needed": True}
    assert document(samovar("config", "ls", "--json")) == {"settings": [port]}


def test_keys_are_completed(agent: FakeAgent) -> None:
    agent.replies[ConfigLs] = ConfigLsReply(settings=[HOSTS, PORT, TRAY])
    assert complete("samovar config set server.") == ["server.hosts", "server.port"]
    assert agent.timeout == COMPLETION_SECONDS
