from __future__ import annotations

from samovar_protocol.replies import CatalogReply
from samovar_protocol.requests import Catalog, CatalogRefresh
from samovar_protocol.values import CatalogEntry, FileOption
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

FILE = FileOption(name="a/Big@Q4_K_M", quantization="Q4_K_M", size_bytes=4_000_000_000, fit="less-context")
BIG = CatalogEntry(
    key="a/Big",
    publisher="a",
    name="Big",
    aliases=["big"],
    title="Big 7B",
    licence="MIT",
    parameters=7_000_000_000,
    capabilities=["chat", "tools"],
    files=[FILE],
    recommended=FILE.name,
    catalog=True,
)
UNKNOWN = CatalogEntry(key="a/New", publisher="a", name="New")


def test_shows_what_there_is_without_inventing(agent: FakeAgent) -> None:
    agent.replies[Catalog] = CatalogReply(models=[BIG, UNKNOWN])
    result = samovar("catalog")
    assert agent.requests == [Catalog()]
    big, unknown = result.stdout.splitlines()[1:]
    assert " ".join(big.split()) == "big Big 7B 7B 4 GB chat, tools MIT fits with less context"
    assert " ".join(unknown.split()) == "New - - - -"
    assert "never refreshed" in result.stderr


def test_refresh_asks_the_hub(agent: FakeAgent) -> None:
    agent.replies[CatalogRefresh] = CatalogReply(models=[BIG], refreshed_at=1.0)
    assert "refreshed 1970-01-01" in samovar("catalog", "refresh").stderr
    agent.replies[CatalogRefresh] = failure("network_offline")
    assert samovar("catalog", "refresh").exit_code == 6


def test_json(agent: FakeAgent) -> None:
    agent.replies[Catalog] = CatalogReply(models=[BIG])
    agent.replies[CatalogRefresh] = CatalogReply(models=[BIG], refreshed_at=1.0)
    shown = document(samovar("catalog", "--json"))
    assert (shown["models"][0]["key"], shown["refreshed_at"]) == ("a/Big", None)
    assert document(samovar("catalog", "refresh", "--json"))["models"] == shown["models"]
