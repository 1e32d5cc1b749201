"""What a folder holds now that belongs to its source, and what happened to it since. Blocks; called in a thread.

    seen = look("/home/me/notes", Excludes(["drafts/"]), readable=is_document)
    changes, problems = compare(known, seen)

Links are not followed, except when the source itself is one: what they lead to within the folder is found anyway, and
a folder that came from a stranger must not bring in what lies elsewhere on the disk.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from samovar_agent.documents.extracted import Problem
from samovar_agent.documents.folders_excludes import MARKS_OF_CACHES, Excludes
from samovar_agent.documents.folders_plan import Changes, Found, Known, plan, to_read, within
from samovar_agent.models.gguf_reader import printable, shown
from samovar_protocol import FailureCode, SamovarError

MAX_FOLDERS = 200_000
MAX_FILES = 1_000_000
"""More below one source are not somebody's documents but a whole disk."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was there.

    - tops: what was looked at: the source's path for all of it. - files: that belong to it, sorted, without digests.
    - folders: that were listed. - others: how many files have a kind that nobody reads. - links: how many were left.
    - unsure: what could not be looked at; nobody knows what happened to it. - problems: why, by path.
    - own_disk: the folder is where a disk is mounted.
    """

    tops: frozenset[str]
    files: list[Found]
    folders: list[str]
    others: int
    links: int
    unsure: frozenset[str]
    problems: dict[str, Problem]
    own_disk: bool


def look(
    root: str,
    excludes: Excludes,
    *,
    readable: Callable[[str], bool] = lambda name: True,
    only: Collection[str] = (),
    was_disk: bool = False,
) -> Look:
    """Look at the source at `root`, an absolute path of a file or folder.

    - readable: whether a file of that name can be a document. - only: paths below it, e.g. those that somebody changed;
    empty for all. - was_disk: what `Look.own_disk` said before.

    Raises `not_found` where it is not there, or its disk is not: that says nothing about its documents. Raises
    `too_large` for a whole disk, and `bad_request` for what is neither a file nor a folder.
    """
    status = _status(root)
    tops = frozenset(only) or frozenset({root})
    if stat.S_ISREG(status.st_mode):
        found = Found(root, status.st_size, status.st_mtime)
        return Look(tops, [found], [], 0, 0, frozenset(), {}, own_disk=False)
    if not stat.S_ISDIR(status.st_mode):
        raise SamovarError(FailureCode.BAD_REQUEST, f"{printable(shown(root))} is neither a file nor a folder.")
    own_disk = os.path.ismount(root)
    if was_disk and not own_disk:
        raise _away(root, "its disk is not mounted")
    walk = _Walk(root, excludes, readable)
    for top in sorted(tops):
        walk.begin(top)
    # A disk that was taken out meanwhile looks like one on which everything was deleted.
    if not os.path.samestat(status, _status(root)):
        raise _away(root, "it was replaced while it was looked at")
    return Look(
        tops=tops,
        files=sorted(walk.files.values()),
        folders=walk.folders,
        others=walk.others,
        links=walk.links,
        unsure=frozenset(walk.unsure),
        problems=walk.problems,
        own_disk=own_disk,
    )


def compare(known: Iterable[Known], seen: Look) -> tuple[Changes, dict[str, Problem]]:
    """What happened since `known`, reading the files where only that tells; and which of these cannot be read, and why.

    - known: every file of the source; those that were not looked at stay out of it.
    """
    before = [file for file in known if within(file.path, seen.tops)]
    after = {file.path: file for file in seen.files}
    problems: dict[str, Problem] = {}
    for file in to_read(before, seen.files, now=time.time()):
        try:
            after[file.path] = with_digest(file.path)
        except FileNotFoundError:
            del after[file.path]
        except OSError as error:
            del after[file.path]
            problems[file.path] = _unreadable(file.path, error)
    return plan(before, after.values(), unsure=seen.unsure | problems.keys()), problems


def with_digest(path: str) -> Found:
    """The file with its digest; size and time are those from before it was read, so that a later write shows.

    Raises `OSError`.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no regular file any more")
        return Found(path, status.st_size, status.st_mtime, hashlib.file_digest(file, "sha256").hexdigest())


def is_left_out(root: str, path: str, excludes: Excludes) -> bool:
    """Whether `path`, which need not be there any more, belongs to what is left out of the source at `root`."""
    *folders, name = _parts(root, path)
    here, relative = root, ""
    for folder in folders:
        here, relative = os.path.join(here, folder), f"{relative}{folder}"  # noqa: PTH118
        if excludes.folder(relative) or os.path.islink(here) or _is_cache(here):  # noqa: PTH114
            return True
        relative += "/"
    return excludes.file(relative + name)


def folders_of(root: str, excludes: Excludes, top: str) -> list[str]:
    """Every folder at and below `top` that belongs to the source at `root`; without looking at any file."""
    walk = _Walk(root, excludes, None)
    walk.begin(top)
    return walk.folders


class _Walk:
    """One look. - readable: None to look for folders only."""

    def __init__(self, root: str, excludes: Excludes, readable: Callable[[str], bool] | None) -> None:
        self._root = root
        self._excludes = excludes
        self._readable = readable
        self._visited: set[tuple[int, int]] = set()
        self.files: dict[str, Found] = {}
        self.folders: list[str] = []
        self.others = 0
        self.links = 0
        self.unsure: set[str] = set()
        self.problems: dict[str, Problem] = {}

    def begin(self, path: str) -> None:
        """Look at `path` and all below it."""
        if path == self._root:
            self._descend(path, "")
            return
        if not within(path, {self._root}) or is_left_out(self._root, path, self._excludes):
            return
        relative = "/".join(_parts(self._root, path))
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._complain(path, error)
            return
        if stat.S_ISLNK(mode):
            self.links += 1
        elif not stat.S_ISDIR(mode):
            self._file(path, relative)
        elif not self._excludes.folder(relative):
            self._descend(path, relative)

    def _descend(self, top: str, relative: str) -> None:
        waiting = [(top, relative)]
        while waiting:
            path, relative = waiting.pop()
            try:
                folders = self._list(path, relative)
            except OSError as error:
                if path == self._root:
                    raise _away(path, _reason(error)) from error
                if not isinstance(error, FileNotFoundError | NotADirectoryError):
                    self._complain(path, error)
                continue
            waiting += reversed(folders)

    def _list(self, path: str, relative: str) -> list[tuple[str, str]]:
        """Take the files of one folder; returns its folders. Raises `OSError`."""
        status = os.stat(path)  # noqa: PTH116 - Path takes twice as long, for thousands of folders
        identity = status.st_dev, status.st_ino
        if identity in self._visited:  # a junction or a mount that leads back up
            return []
        self._visited.add(identity)
        if len(self._visited) > MAX_FOLDERS:
            raise _too_large(self._root, f"{MAX_FOLDERS:,} folders")
        if path != self._root and _is_cache(path):
            return []
        self.folders.append(path)
        below = []
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                inner = f"{relative}/{entry.name}" if relative else entry.name
                if entry.is_symlink():
                    self.links += 1
                elif entry.is_dir(follow_symlinks=False):
                    if not self._excludes.folder(inner) and self._has_a_name(entry.path):
                        below.append((entry.path, inner))
                elif self._readable is not None:
                    self._file(entry.path, inner)
        return below

    def _file(self, path: str, relative: str) -> None:
        if self._readable is None or self._excludes.file(relative):
            return
        if not self._readable(os.path.basename(path)):  # noqa: PTH119 - as above
            self.others += 1
            return
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(path, error)
            return
        if stat.S_ISREG(status.st_mode) and self._has_a_name(path):
            self.files[path] = Found(path, status.st_size, status.st_mtime)
            if len(self.files) > MAX_FILES:
                raise _too_large(self._root, f"{MAX_FILES:,} files")

    def _has_a_name(self, path: str) -> bool:
        """Whether the path is text, so that it can be stored and sent."""
        try:
            path.encode()
        except UnicodeEncodeError:
            self.problems[shown(path)] = Problem(
                reason="unreadable", message="Its name is not valid UTF-8.", hint="Rename it."
            )
            return False
        return True

    def _complain(self, path: str, error: OSError) -> None:
        self.unsure.add(path)
        self.problems[shown(path)] = _unreadable(path, error)


def _parts(root: str, path: str) -> list[str]:
    return path[len(os.path.join(root, "")) :].split(os.sep)  # noqa: PTH118, PTH206 - as above


def _status(root: str) -> os.stat_result:
    try:
        return os.stat(root)  # noqa: PTH116 - as above
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _away(root, _reason(error)) from error


def _is_cache(folder: str) -> bool:
    return any(os.path.lexists(os.path.join(folder, mark)) for mark in MARKS_OF_CACHES)  # noqa: PTH118


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file that became a pipe meanwhile without waiting for its other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _unreadable(path: str, error: OSError) -> Problem:
    kind = "folder" if os.path.isdir(path) else "file"  # noqa: PTH112 - as above
    return Problem(
        reason="unreadable",
        message=f"The {kind} could not be read: {_reason(error)}.",
        hint="Correct its permissions, or exclude it.",
    )


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _away(root: str, reason: str) -> SamovarError:
    return SamovarError(
        FailureCode.NOT_FOUND,
        f"{printable(shown(root))} is not there now: {reason}.",
        hint="Its documents stay as they were read last; they follow again once it is back.",
    )


def _too_large(root: str, what: str) -> SamovarError:
    return SamovarError(
        FailureCode.TOO_LARGE,
        f"{printable(shown(root))} has more than {what}.",
        hint="Add the folders in it that hold documents, or exclude the others.",
    )
