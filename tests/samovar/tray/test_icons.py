from __future__ import annotations

from typing import get_args

import pytest
from PIL import Image, ImageChops, ImageStat

from samovar.tray import draw, icons
from samovar.tray.menu import Mood

MOODS: tuple[Mood, ...] = get_args(Mood)
PANELS = {"dark": (36, 38, 42), "light": (242, 242, 242)}


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean distance of the pixels, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / len(one.getbands())


def on_panel(image: Image.Image, colour: tuple[int, int, int], size: int) -> Image.Image:
    panel = Image.new("RGB", (size, size), colour)
    small = image.resize((size, size), Image.Resampling.LANCZOS)
    panel.paste(small, mask=small)
    return panel


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("mood", MOODS)
def test_every_state_has_a_square_picture_with_room_around_it(mood: Mood, offline: bool) -> None:
    image = icons.picture(mood, offline)
    assert (image.mode, image.size) == ("RGBA", (draw.SIZE, draw.SIZE))
    assert image.getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("size", [16, 22, 32])
def test_states_can_be_told_apart_at_small_sizes_on_any_panel(size: int, panel: str) -> None:
    shown = [on_panel(icons.picture(mood, offline), PANELS[panel], size) for mood in MOODS for offline in (False, True)]
    empty = Image.new("RGB", (size, size), PANELS[panel])
    assert all(difference(one, empty) > 15 for one in shown)
    pairs = [(one, other) for number, one in enumerate(shown) for other in shown[:number]]
    assert min(difference(one, other) for one, other in pairs) > 2


def test_the_files_are_what_the_script_draws() -> None:
    drawn = draw.pictures()
    assert {f"{name}.png" for name in drawn} == {file.name for file in icons.folder().glob("*.png")}
    for name, image in drawn.items():
        with Image.open(icons.folder() / f"{name}.png") as file:
            # Other releases of Pillow may round a pixel differently.
            assert difference(image, file.convert("RGBA")) < 1, f"run: python -m samovar.tray.draw {icons.folder()}"
