"""The one place where a name from outside (a model's id, an archive member, a header) becomes a path.

    path = safe_path(places.models, publisher, name, file)

A name that one operating system would take and another would not is refused everywhere, so that a library can move
between machines.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from samovar_protocol import FailureCode, SamovarError

_LONGEST_PART = 255
"""Bytes of one name; the limit of ext4, APFS and NTFS alike."""

_FORBIDDEN = frozenset('/\\<>:"|?*')
"""Separators; the colon of drive letters and of NTFS streams; and what Windows cannot have in a name."""

_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [f"{device}{number}" for device in ("COM", "LPT") for number in "0123456789¹²³"]
)
"""Windows opens a device under these names, whatever the folder and the extension."""


def safe_path(root: Path, *parts: str) -> Path:
    """The path of `parts` below `root`; nothing is created.

    - root: a folder of ours; need not exist. - parts: at least one; each a single file or folder name.
    Raises `path_refused` for a part that is no portable file name, or where a symbolic link leads out of `root`.
    """
    if not parts:
        raise _refused("An empty path", "names nothing")
    for part in parts:
        if problem := _problem(part):
            raise _refused(repr(part), problem)
    path = root.joinpath(*parts)
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # a loop of links, or longer than the system allows
        raise _refused(repr("/".join(parts)), f"cannot be followed: {error}") from error
    if not inside:
        raise _refused(repr("/".join(parts)), f"leads out of {root} through a symbolic link")
    return path


def safe_relative_path(root: Path, name: str) -> Path:
    """The path of `name`, in which `/` separates folders, below `root`: archive members and files of repositories.

    Raises `path_refused` as `safe_path` does, and for leading, trailing and doubled slashes.
    """
    return safe_path(root, *name.split("/"))


def _problem(part: str) -> str | None:
    """Why `part` cannot be a file name, or None."""
    if not part:
        return "is empty"
    if part in {".", ".."}:
        return "is not a name"
    if found := _FORBIDDEN.intersection(part):
        return f"contains {' '.join(sorted(found))}"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs"} for character in part):
        return "contains a control character, an invisible one, or is not valid text"
    folded = unicodedata.normalize("NFKC", part)
    if folded in {".", ".."} or _FORBIDDEN.intersection(folded):
        return "contains a character that looks like a separator"
    if part[-1] in ". ":
        return "ends in a dot or a space"
    if part.split(".")[0].rstrip(" ").upper() in _RESERVED:
        return "is a device's name on Windows"
    if len(part.encode()) > _LONGEST_PART:
        return f"is longer than {_LONGEST_PART} bytes"
    return None


def _refused(what: str, problem: str) -> SamovarError:
    return SamovarError(
        FailureCode.PATH_REFUSED,
        f"{what} cannot be used as a path: it {problem}.",
        hint="Use plain names of letters, digits, dots, dashes and underscores.",
    )
