"""Draws the icon: `python -m samovar.tray.draw assets/icons` writes every picture anew.

A samovar in brass, with an outline dark enough for light panels and a body bright enough for dark ones. Beside its
teapot rises what it is doing: steam when a model is loaded, sparks while it is busy. Everything is drawn on a grid
of 64 units, much larger than needed, and then made smaller, which smooths every edge.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

GRID = 64
SIZE = 64
LARGE = 256
"""Pixels of the tray's pictures and of the one for everything else."""

_SCALE = 16

Point = tuple[float, float]
Colour = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Metal:
    """The colours of one samovar: lit from the left, with an outline."""

    light: Colour
    dark: Colour
    outline: Colour


BRASS = Metal((255, 200, 92, 255), (212, 124, 32, 255), (92, 46, 10, 255))
ASH = Metal((196, 200, 205, 255), (134, 140, 147, 255), (66, 70, 76, 255))
STEAM: Colour = (92, 172, 238, 255)
FIRE: Colour = (246, 104, 36, 255)
RED: Colour = (222, 52, 46, 255)
SLATE: Colour = (66, 100, 164, 255)
WHITE: Colour = (255, 255, 255, 255)

BODY: tuple[Point, ...] = (
    (22, 22), (42, 22), (43, 25), (47, 27.5), (48.5, 32), (48, 40), (45, 46), (39.5, 50),
    (39.5, 52), (46, 55), (48, 58.5), (48, 62), (16, 62), (16, 58.5), (18, 55), (24.5, 52),
    (24.5, 50), (19, 46), (16, 40), (15.5, 32), (17, 27.5), (21, 25),
)  # fmt: skip
"""Collar, shoulders, belly, waist and foot, clockwise from the top left."""

POT: tuple[Point, ...] = (
    (28, 9), (36, 9), (40, 12), (41, 16), (38.5, 20.5), (25.5, 20.5), (23, 16), (24, 12),
)  # fmt: skip
"""The little teapot that keeps warm on top."""


def pictures() -> dict[str, Image.Image]:
    """Every picture by its file's name without the ending."""
    drawn: dict[str, Image.Image] = {}
    for offline in (False, True):
        ending = "-offline" if offline else ""
        for mood in ("idle", "loaded", "busy", "error", "stopped"):
            image = _samovar(ASH if mood == "stopped" else BRASS)
            if mood == "loaded":
                _steam(image)
            if mood == "busy":
                _sparks(image)
            if mood == "error":
                _exclamation(image, (48.5, 49))
            if offline:
                _slash(image, (15.5, 49))
            drawn[mood + ending] = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    portrait = _samovar(BRASS)
    _steam(portrait)
    return {**drawn, "samovar": portrait.resize((LARGE, LARGE), Image.Resampling.LANCZOS)}


def _samovar(metal: Metal) -> Image.Image:
    image = _canvas()
    draw = ImageDraw.Draw(image)
    # The handle on the left, and on the right the tap with its key: without them it would be a vase.
    _ring(draw, (13, 33), 6, 6.6, metal.outline)
    _ring(draw, (13, 33), 6, 2.6, metal.light)
    tap: list[Point] = [(46, 42), (56, 42), (58, 44), (58, 48.5)]
    key: list[Point] = [(54, 35.5), (54, 42)]
    bow: list[Point] = [(50.5, 35), (57.5, 35)]
    for stroke in (tap, key, bow):
        _line(draw, stroke, 7, metal.outline)
    for stroke in (tap, key, bow):
        _line(draw, stroke, 2.8, metal.dark)
    _line(draw, [(23, 15), (18.5, 10.5)], 6.4, metal.outline)
    _line(draw, [(25, 16), (18.5, 10.5)], 2.6, metal.light)
    _disc(draw, (32, 6.5), 4.4, metal.outline)
    _disc(draw, (32, 6.5), 2.4, metal.light)
    for outline in (POT, BODY):
        _line(draw, [*outline, outline[0]], 4.4, metal.outline)
        image.paste(_shade(metal), mask=_mask(outline))
    draw = ImageDraw.Draw(image)
    _line(draw, [(18.5, 29.5), (45.5, 29.5)], 2.2, metal.outline)
    _line(draw, [(20, 56.6), (44, 56.6)], 2.2, metal.outline)
    return image


def _steam(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    for x in (48.5, 57.5):
        wave = [(x + 2.4 * math.sin(step / 16 * 2 * math.pi), 20.5 - step) for step in _steps(0, 17.5)]
        _line(draw, wave, 4.4, STEAM)


def _sparks(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    for x, y in ((46.5, 17.5), (52.0, 8.5), (58.5, 17.5)):
        _disc(draw, (x, y), 4.2, FIRE)


def _badge(image: Image.Image, colour: Colour, centre: Point) -> None:
    draw = ImageDraw.Draw(image)
    # A ring of nothing sets the badge off from the samovar, whatever colour the panel has.
    _disc(draw, centre, 16, (0, 0, 0, 0))
    _disc(draw, centre, 13.5, colour)


def _exclamation(image: Image.Image, centre: Point) -> None:
    _badge(image, RED, centre)
    draw = ImageDraw.Draw(image)
    x, y = centre
    _line(draw, [(x, y - 7.5), (x, y + 1.5)], 4.6, WHITE)
    _disc(draw, (x, y + 7.8), 2.7, WHITE)


def _slash(image: Image.Image, centre: Point) -> None:
    _badge(image, SLATE, centre)
    x, y = centre
    _line(ImageDraw.Draw(image), [(x - 5.4, y + 5.4), (x + 5.4, y - 5.4)], 5, WHITE)


def _canvas() -> Image.Image:
    return Image.new("RGBA", (GRID * _SCALE, GRID * _SCALE), (0, 0, 0, 0))


def _shade(metal: Metal) -> Image.Image:
    """Light from the left: a gradient across the whole canvas."""
    ramp = Image.new("L", (GRID, 1))
    ramp.putdata([round(255 * min(max((x - 19) / 28, 0), 1)) for x in range(GRID)])
    mask = ramp.resize((GRID * _SCALE, GRID * _SCALE), Image.Resampling.BICUBIC)
    size = mask.size
    return Image.composite(Image.new("RGBA", size, metal.dark), Image.new("RGBA", size, metal.light), mask)


def _mask(points: tuple[Point, ...]) -> Image.Image:
    mask = Image.new("L", (GRID * _SCALE, GRID * _SCALE), 0)
    ImageDraw.Draw(mask).polygon([_scaled(point) for point in points], fill=255)
    return mask


def _line(draw: ImageDraw.ImageDraw, points: list[Point], width: float, colour: Colour) -> None:
    """A stroke with round ends and joints."""
    draw.line([_scaled(point) for point in points], fill=colour, width=round(width * _SCALE))
    for point in points:
        _disc(draw, point, width / 2, colour)


def _disc(draw: ImageDraw.ImageDraw, centre: Point, radius: float, colour: Colour) -> None:
    x, y = centre
    draw.ellipse([_scaled((x - radius, y - radius)), _scaled((x + radius, y + radius))], fill=colour)


def _ring(draw: ImageDraw.ImageDraw, centre: Point, radius: float, width: float, colour: Colour) -> None:
    circle = [
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for angle in _steps(0, 2 * math.pi, 64)
    ]
    _line(draw, circle, width, colour)


def _steps(start: float, end: float, count: int = 40) -> list[float]:
    return [start + (end - start) * step / count for step in range(count + 1)]


def _scaled(point: Point) -> Point:
    return point[0] * _SCALE, point[1] * _SCALE


def main() -> None:
    """Write the pictures into the folder that the command line names."""
    folder = Path(sys.argv[1])
    for name, image in pictures().items():
        image.save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
