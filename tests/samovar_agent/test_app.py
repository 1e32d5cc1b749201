"""The composition root: the order in which parts end."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import samovar
from samovar import FailureCode, SamovarError
from samovar.requests import Down, Get, Progress
from samovar_agent import app
from samovar_agent.control import server
from samovar_protocol import Places


class Downloads:
    """One that goes on until it is told to end."""

    def __init__(self, **_: object) -> None:
        self._closed = asyncio.Event()

    async def open(self) -> None:
        pass

    async def get(self, request: Get, *, on_progress: Callable[[Progress], None], **_: object) -> None:
        on_progress(Progress(stage="downloading"))
        await self._closed.wait()
        raise SamovarError(FailureCode.SHUTTING_DOWN, "The download ended.")

    async def close(self) -> None:
        self._closed.set()


async def test_a_stop_ends_downloads_instead_of_waiting_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMOVAR_PORT", "0")
    monkeypatch.setattr(server, "_LAST_WORDS", 60.0)
    monkeypatch.setattr(app, "Downloads", Downloads)
    monkeypatch.setattr("samovar_agent.logs.configure", lambda *_, **__: None)
    places = Places.find({"SAMOVAR_HOME": str(tmp_path)})
    async with asyncio.timeout(30):
        running = asyncio.create_task(app.run(places, with_tray=False))
        while not places.endpoint_file.exists():
            await asyncio.sleep(0.01)
        async with samovar.connect(home=tmp_path) as client, client.stream(Get(name="m")) as stream:
            await anext(stream)
            await client.call(Down())
            with pytest.raises(SamovarError, match="The download ended"):
                await anext(stream)
        await running
    assert not places.endpoint_file.exists()
