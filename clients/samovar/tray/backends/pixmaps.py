"""Pictures as StatusNotifierItem wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES = (16, 22, 24, 32, 48, 64)
"""What panels ask for, in pixels; the larger ones for screens of high density."""

Pixmap = list[int | bytes]
"""Width, height, and the pixels row by row, each as alpha, red, green, blue."""


def pixmaps(image: Image) -> list[Pixmap]:
    """`image`, a square, in every size."""
    from PIL import Image as images

    made: list[Pixmap] = []
    for size in SIZES:
        red, green, blue, alpha = image.convert("RGBA").resize((size, size), images.Resampling.LANCZOS).split()
        made.append([size, size, images.merge("RGBA", (alpha, red, green, blue)).tobytes()])
    return made
