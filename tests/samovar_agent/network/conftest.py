"""A gate over a real store and real settings; only the machine's network is made up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest_asyncio

from samovar_agent.events import EventBus
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol.events import AnyEvent, NetworkChanged, SettingChanged
from samovar_protocol.values import JournalEntry, NetworkInfo, NetworkPolicy
from tests.hub_server.fixtures import hub_server as hub_server


class Cable(Connectivity):
    """A network that tests plug in and pull out."""

    plugged = True

    def connected(self) -> bool:
        return self.plugged


@dataclass
class Network:
    """A gate and what is around it."""

    gate: Gate
    settings: SettingsFile
    store: Store
    events: EventBus
    cable: Cable
    told: list[NetworkInfo] = field(default_factory=list)

    def set_policy(self, policy: NetworkPolicy) -> None:
        """As the agent does it when a person changes the setting."""
        self.events.publish(SettingChanged(setting=self.settings.set("network.policy", policy)))

    async def only_row(self) -> JournalEntry:
        (row,) = await self.store.journal.ls()
        return row

    def _hear(self, _sequence: int, _time: float, _cause: str | None, event: AnyEvent) -> None:
        if isinstance(event, NetworkChanged):
            self.told.append(event.network)


@pytest_asyncio.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    settings = SettingsFile(tmp_path / "config.toml", environ={})
    store = await Store.open(tmp_path / "samovar.db")
    events, cable = EventBus(), Cable()
    made = Network(Gate(settings, store, cable, events), settings, store, events, cable)
    events.subscribe(made._hear)
    yield made
    await store.close()
