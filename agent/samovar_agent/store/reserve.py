"""Room on the disk that is given back when the store must be opened and there is none left.

A killed agent leaves work to be marked as interrupted. Where the disk has meanwhile become full to the last byte, that
could not be written, no agent could start, and nobody could remove anything by its help.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

_BYTES = 1024 * 1024
LEAST_FREE = 256 * 1024 * 1024
"""Bytes; nothing is reserved on a disk that is nearly full already."""


def _path(database: Path) -> Path:
    return database.with_name(f"{database.name}-reserve")


def give_back(database: Path) -> bool:
    """Free what was reserved; says whether there was something."""
    try:
        _path(database).unlink()
    except OSError:
        return False
    return True


def keep(database: Path) -> None:
    """Reserve room where there is plenty, and none is reserved yet."""
    path = _path(database)
    with contextlib.suppress(OSError):
        if path.exists() or shutil.disk_usage(database.parent).free < LEAST_FREE:
            return
        try:
            path.write_bytes(bytes(_BYTES))
        except OSError:
            path.unlink()
