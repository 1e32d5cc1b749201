"""An old file that an update replaces: kept aside until the library has taken the new one, else put back. Blocks.

The old one stays where it is until the new one takes its place, where the disk has hard links. An agent that is killed
leaves both, and the next one decides.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from samovar_agent.models.gguf_reader import shown
from samovar_agent.network.partial_file import write_failure

log = logging.getLogger("samovar.models")

_ENDING = ".replaced"
"""Shorter than the endings of what comes, for which there is room in the name; no model has it."""


def aside_of(file: Path) -> Path:
    """Where the old one of a file is kept."""
    return file.with_name(file.name + _ENDING)


def set_aside(file: Path) -> None:
    """Keep what lies there, if anything does, before another file may take its place. Raises `disk_full`."""
    aside = aside_of(file)
    if aside.exists() or not file.is_file():
        return  # what is kept already is the old one; there may be a new one in its place
    try:
        aside.hardlink_to(file)
    except OSError:  # not every disk has hard links
        try:
            file.rename(aside)
        except OSError as error:
            raise write_failure(error, file) from error


def rest(file: Path) -> None:
    """Nothing comes any more for now: an old one that was not replaced is where it was, and nowhere else."""
    aside = aside_of(file)
    if not file.exists() or _same(file, aside):
        put_back(file)


def put_back(file: Path) -> bool:
    """Let the old one take its place again; False where none was kept."""
    aside = aside_of(file)
    try:
        if _same(file, aside):  # to rename one to the other would do nothing
            aside.unlink()
        else:
            aside.replace(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("an old file stays aside", extra={"file": shown(aside), "problem": str(error)})
        return False
    return True


def forget(file: Path) -> None:
    """The new one is there to stay."""
    try:
        aside_of(file).unlink(missing_ok=True)
    except OSError as error:
        log.warning("an old file stays aside", extra={"file": shown(file), "problem": str(error)})


def _same(file: Path, aside: Path) -> bool:
    with contextlib.suppress(OSError):
        return file.samefile(aside)
    return False
