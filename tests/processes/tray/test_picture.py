"""The tray in a real panel: found by its colour, opened with the mouse, used with the keyboard, and photographed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.tray.conftest import Home
from tests.processes.tray.screen import WIDTH, Screen
from tests.samovar.tray.desktop import Panel

pytestmark = [pytest.mark.processes, pytest.mark.model, pytest.mark.tray]


@pytest.fixture(params=["dark", "light"])
def screen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Screen]:
    screen = Screen(tmp_path / "s", dark=request.param == "dark")
    yield screen
    screen.stop()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Where pictures are kept for people to look at."""
    folder = Path(os.environ.get("SAMOVAR_TEST_ARTIFACTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def test_a_model_is_loaded_from_the_panel(
    screen: Screen, home: Home, model_file: Path, album: Path, request: pytest.FixtureRequest
) -> None:
    await home.start_agent()
    await home.import_model(model_file)
    home.start_tray(screen.bus.address)
    async with Panel(screen.bus.address) as panel:
        await panel.until(lambda menu: menu.find("Models"))
        screen.until(screen.brass, "the icon in the panel")
        x, y = screen.brass() or (0, 0)
        screen.click(x, y)
        screen.until(screen.menu_is_open, "the menu")
        screen.key("Down", "Right", "Return")
        await panel.until(lambda menu: menu.find("Models").children[0].checked)  # type: ignore[union-attr]
        screen.until(lambda: not screen.menu_is_open(), "the menu closes after a choice")
        # Opened again, it has the check mark; that is the picture.
        screen.click(x, y)
        screen.until(screen.menu_is_open, "the menu again")
        screen.key("Down", "Right")
        file = album / f"tray-{request.node.callspec.id}.png"
        screen.still().crop((WIDTH - 640, 0, WIDTH, 180)).save(file)
        print(f"picture: {file}")
