"""Further names that people gave to models: the setting `models.aliases`, each as `name=publisher/name@tag`.

The whole name stands there, so that a second file of the same model does not make it mean another, or none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from samovar_agent.models.gguf_reader import printable
from samovar_protocol import FailureCode, SamovarError

# Without "=" and ",", which separate in the setting, and without "@", which comes before a quantization.
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,198}")


def parsed(lines: Sequence[str]) -> dict[str, str]:
    """What each name means; a line that is none is left out, and the last one of a name counts."""
    found: dict[str, tuple[str, str]] = {}
    for line in lines:
        name, equals, full = (part.strip() for part in line.partition("="))
        if equals and full and _ALIAS.fullmatch(name):
            found[name.casefold()] = (name, full)
    return dict(found.values())


def with_alias(lines: Sequence[str], name: str, full: str) -> list[str]:
    """The lines with this name, for another model where it had one. Raises `bad_request` for what can be no name."""
    if not _ALIAS.fullmatch(name):
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"'{printable(name[:200])}' is no name for a model.",
            hint="Use letters, digits, dots, dashes, underscores, slashes and colons.",
        )
    return [*without_alias(lines, name), f"{name}={full}"]


def without_alias(lines: Sequence[str], name: str) -> list[str]:
    """The lines without this name."""
    return [line for line in lines if line.partition("=")[0].strip().casefold() != name.casefold()]
