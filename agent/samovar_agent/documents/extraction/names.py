"""Names of files, for people."""

from __future__ import annotations

import os
from pathlib import Path


def file_title(path: bytes) -> str:
    """The name of a file as a title on one line, also where the name is no text."""
    return " ".join(os.fsencode(Path(os.fsdecode(path)).name).decode("utf-8", "replace").split())
