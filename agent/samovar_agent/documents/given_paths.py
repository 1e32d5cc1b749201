"""Paths that a client names."""

from __future__ import annotations

import os

from samovar_agent.models.gguf_reader import printable, shown
from samovar_protocol import FailureCode, SamovarError


def absolute(path: str) -> str:
    """The path without detours such as `..`, links left as they are. Raises `bad_request` where it is not absolute."""
    if not os.path.isabs(path) or "\0" in path:  # noqa: PTH117 - a path as text, as the store has it
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"'{printable(shown(path))}' is no absolute path.",
            hint="The agent has another current folder than you; give the whole path.",
        )
    return os.path.normpath(path)


def below(path: str, root: str) -> str:
    """The path as seen from the folder `root` that it lies in, with "/" between its parts."""
    return os.path.relpath(path, root).replace(os.sep, "/")
