"""The icon's pictures: PNG files, two for each mood, one of them with the badge for working offline."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from samovar.tray.menu import Mood

if TYPE_CHECKING:
    from PIL.Image import Image


def folder() -> Path:
    """Where the pictures are: in the installed package, or in the repository of an editable install."""
    here = Path(__file__).resolve()
    for parent in here.parents:
        candidate = parent / "assets" / "icons"
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"no assets/icons above {here}; the installation is incomplete")


@cache
def picture(mood: Mood, offline: bool) -> Image:
    """The icon for a mood, always the same object: a square with an alpha channel. - offline: with a badge."""
    from PIL import Image

    name = f"{mood}-offline.png" if offline else f"{mood}.png"
    # Named, so that Pillow loads the code of this one format and not of all.
    with Image.open(folder() / name, formats=["PNG"]) as file:
        return file.convert("RGBA")
