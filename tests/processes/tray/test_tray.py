"""The tray as its own process, with a real agent and a real model, read and clicked over the session bus."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import psutil
import pytest

from samovar_protocol.requests import ConfigGet, Ps
from tests.processes.tray.conftest import Home, ended, kill
from tests.samovar.tray.desktop import Line, Panel, PrivateBus, Signals, eventually

pytestmark = [pytest.mark.processes, pytest.mark.tray]


def the_model(menu: Line) -> Line:
    models = menu.find("Models")
    assert models is not None
    (line,) = models.children
    return line


@pytest.mark.model
async def test_a_model_is_loaded_and_unloaded_by_clicks(
    home: Home, bus: PrivateBus, panel: Panel, model_file: Path
) -> None:
    await home.start_agent()
    home.start_tray(bus.address)
    menu = await panel.until(lambda menu: menu.find("Models"))
    assert "samovar get smollm2-135m" in the_model(menu).label

    key = await home.import_model(model_file)
    name = key.rpartition("/")[2]
    before = the_model(await panel.until(lambda menu: menu.find("Models", name)))
    assert (before.enabled, before.checked) == (True, False)

    async with home.client() as client, Signals(bus.address) as signals:
        await panel.click("Models", name)
        loaded = the_model(await panel.until(lambda menu: the_model(menu).checked))
        assert loaded.number == before.number
        # While it loaded, the open menu said so and stayed open.
        texts = [
            properties["label"][1]
            for heard, body in signals.heard
            if heard == "ItemsPropertiesUpdated"
            for number, properties in body[0]
            if number == before.number and "label" in properties
        ]
        assert any("loading" in text for text in texts)
        assert not [heard for heard, _ in signals.heard if heard == "LayoutUpdated"]
        assert [instance.state for instance in (await client.call(Ps())).instances] == ["ready"]

        await panel.click("Models", name)
        await panel.until(lambda menu: not the_model(menu).checked and the_model(menu).label == name)
        assert (await client.call(Ps())).instances == []


async def test_work_offline_is_the_agents_policy(home: Home, bus: PrivateBus, panel: Panel) -> None:
    await home.start_agent()
    home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Work offline"))
    async with home.client() as client:
        for checked, policy in ((True, "offline"), (False, "online")):
            await panel.click("Work offline")
            await panel.until(lambda menu: menu.find("Work offline").checked is checked)  # type: ignore[union-attr]  # noqa: B023
            assert (await client.call(ConfigGet(key="network.policy"))).setting.value == policy


async def test_it_outlives_the_agent_and_finds_the_next_one(home: Home, bus: PrivateBus, panel: Panel) -> None:
    agent = await home.start_agent()
    tray = home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Models"))
    kill(agent)
    menu = await panel.until(lambda menu: menu.find("Samovar is not running"))
    assert menu.labels() == ["Samovar is not running", "Start Samovar", "Quit Samovar"]
    await home.start_agent()
    await panel.until(lambda menu: menu.find("Models"))
    assert tray.poll() is None


async def test_a_failed_load_is_on_top_of_the_menu(
    home: Home, bus: PrivateBus, panel: Panel, model_file: Path, tmp_path: Path
) -> None:
    await home.start_agent()
    link = tmp_path / "vanishing.gguf"
    link.symlink_to(model_file)
    key = await home.import_model(link)
    home.start_tray(bus.address)
    name = key.rpartition("/")[2]
    await panel.until(lambda menu: menu.find("Models", name))
    link.unlink()
    await panel.click("Models", name)
    menu = await panel.until(lambda menu: not menu.labels()[0].startswith("Samovar"))
    assert not menu.children[0].enabled
    # The next success takes the message away.
    await panel.click("Work offline")
    await panel.until(lambda menu: menu.labels()[0].startswith("Samovar"))


async def test_start_starts_the_agent_and_quit_ends_both(home: Home, bus: PrivateBus, panel: Panel) -> None:
    tray = home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Start Samovar"))
    await panel.click("Start Samovar")
    await panel.until(lambda menu: menu.find("Models"))
    async with home.client() as client:
        agent = psutil.Process(client.endpoint.pid)
    await panel.click("Quit Samovar")
    assert await ended(tray) == 0
    assert tray.stderr is not None
    assert tray.stderr.read() == b""
    await eventually(lambda: not agent.is_running() or agent.status() == psutil.STATUS_ZOMBIE)


async def test_quit_ends_an_agent_that_was_there_before(home: Home, bus: PrivateBus, panel: Panel) -> None:
    agent = await home.start_agent()
    tray = home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Models"))
    await panel.click("Quit Samovar")
    assert await ended(tray) == 0
    assert await ended(agent) == 0


async def test_a_second_tray_says_so_and_ends(home: Home, bus: PrivateBus, panel: Panel) -> None:
    home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Quit Samovar"))
    second = home.start_tray(bus.address)
    assert await ended(second) == 0
    assert second.stderr is not None
    assert b"already" in second.stderr.read()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_a_signal_ends_it_without_a_word(home: Home, bus: PrivateBus, panel: Panel, name: str) -> None:
    tray = home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Quit Samovar"))
    tray.send_signal(signal.Signals[name])
    assert await ended(tray) == 0
    assert tray.stderr is not None
    assert tray.stderr.read() == b""


async def test_the_end_of_the_session_ends_it(home: Home, bus: PrivateBus, panel: Panel) -> None:
    tray = home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Quit Samovar"))
    bus.stop()
    assert await ended(tray) == 0


@pytest.mark.alone
async def test_it_is_small_and_sleeps(home: Home, bus: PrivateBus, panel: Panel) -> None:
    await home.start_agent()
    tray = home.start_tray(bus.address)
    await panel.until(lambda menu: menu.find("Models"))
    process = psutil.Process(tray.pid)
    woken = process.num_ctx_switches().voluntary
    await asyncio.sleep(2)
    # A poll every tenth of a second would be twenty in this time.
    assert process.num_ctx_switches().voluntary - woken < 10
    assert process.memory_info().rss < 64e6
