"""Names of a model's files, and listings of folders that are made again only where a folder changed.

Everything here blocks and is called in a thread.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from samovar_agent.models.gguf_reader import shown

log = logging.getLogger("samovar.models")

PARTIAL = ".partial"
"""Ends the name of a file that is not complete; it is renamed when it is."""
GGUF_FILES = (".gguf", f".gguf{PARTIAL}")
"""How the names of models end, whole and not yet whole."""
MAX_DEPTH = 16
MAX_FOLDERS = 100_000
"""Folders below one root; more are not a models folder but a whole disk."""
MAX_PARTS = 1000
_SETTLED_NS = 3_000_000_000
"""A folder's time of change is believed when it is older than this; a coarser clock might hide a second change."""
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})")
_FIRST_PART = re.compile(r"(?P<stem>.*[^/\\])-00001-of-(?P<count>\d{5})(?P<ending>\.[^./\\]+)", re.DOTALL)
_ENDING = re.compile(r"\.gguf(\.partial)?$", re.IGNORECASE)
_QUANTIZATION = re.compile(r"[-_.](?P<tag>(?:UD-)?(?:I?Q|TQ)\d\w*|BF16|F16|F32|FP16|FP32|MXFP4\w*)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Folder:
    """What one folder holds, by full path: folders, files of the wanted kind, and links, which may be either.

    - leaves: a link points out of the root below which it was found. - settled: its stamp can be trusted.
    """

    stamp: tuple[int, int, int]
    folders: tuple[str, ...]
    files: tuple[str, ...]
    links: tuple[str, ...]
    leaves: bool
    settled: bool


@dataclass(frozen=True, slots=True)
class Below:
    """Files below a root, sorted. - leaves: links led out of it, so watching the root does not see all changes."""

    files: tuple[str, ...] = ()
    leaves: bool = False


class FolderTree:
    """Listings, kept for as long as the folder's own time of change stands still. - suffixes: of the wanted files."""

    def __init__(self, suffixes: tuple[str, ...] = GGUF_FILES) -> None:
        self._suffixes = suffixes
        self._folders: dict[str, Folder] = {}
        self._below: dict[str, Below] = {}
        self._complained: set[str] = set()

    def forget(self) -> None:
        """List everything again next time; some file systems do not keep the times of folders."""
        self._folders.clear()

    def below(self, root: str, *, within: str | None = None) -> Below:
        """Wanted files below `root`, of split models their first parts; the same object while nothing changed.

        - within: links may lead that far; None for `root` itself.
        Follows links to folders, each real folder once. What cannot be listed is logged and left out.
        """
        files: list[str] = []
        leaves = False
        visited: set[tuple[int, int]] = set()
        waiting = [(root, 0)]
        while waiting:
            path, depth = waiting.pop()
            folder = self.folder(path, within or root)
            if folder is None or (folder.stamp[:2] in visited and folder.stamp[1]):
                continue
            visited.add(folder.stamp[:2])
            if len(visited) > MAX_FOLDERS:
                self._complain(root, f"it has more than {MAX_FOLDERS:,} folders")
                break
            files += folder.files
            leaves |= folder.leaves
            folders = list(folder.folders)
            for link in folder.links:
                if _leads_to_folder(link):
                    folders.append(link)
                    leaves = True
                elif link.lower().endswith(self._suffixes):
                    files.append(link)
            if depth < MAX_DEPTH:
                waiting += [(below, depth + 1) for below in folders]
        below = Below(tuple(sorted(files)), leaves)
        if self._below.get(root) != below:
            self._below[root] = below
        return self._below[root]

    def folder(self, path: str, root: str | None = None) -> Folder | None:
        """One folder's listing; None where there is none. - root: below which it was found."""
        try:
            status = os.stat(path)  # noqa: PTH116 - Path takes twice as long, for thousands of folders
            stamp = (status.st_dev, status.st_ino, status.st_mtime_ns)
            kept = self._folders.get(path)
            if kept is not None and kept.settled and kept.stamp == stamp:
                return kept
            if not stat.S_ISDIR(status.st_mode):
                return None
            found = self._list(path, root or path, stamp)
        except FileNotFoundError:
            self._folders.pop(path, None)
            return None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the setting
            self._complain(path, str(error))
            return None
        self._folders[path] = found
        self._complained.discard(path)
        return found

    def _list(self, path: str, root: str, stamp: tuple[int, int, int]) -> Folder:
        settled = abs(time.time_ns() - stamp[2]) > _SETTLED_NS
        folders, files, links = [], [], []
        leaves = False
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):  # also what macOS leaves beside files on foreign disks
                    continue
                if entry.is_symlink():
                    links.append(entry.path)
                    leaves |= _leaves(entry.path, root)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.lower().endswith(self._suffixes) and _is_first_part(entry.name):
                    files.append(entry.path)
        links = [link for link in links if _is_first_part(os.path.basename(link))]  # noqa: PTH119 - as above
        return Folder(stamp, tuple(folders), tuple(files), tuple(links), leaves, settled)

    def _complain(self, path: str, problem: str) -> None:
        """Say it once, not at every look."""
        if path not in self._complained:
            self._complained.add(path)
            log.warning("a models folder cannot be listed", extra={"folder": shown(path), "problem": problem})


def parts(path: Path) -> tuple[Path, ...]:
    """All files of the model whose first is `path`: itself alone, unless its name says `-00001-of-0000N`."""
    return tuple(map(Path, part_names(os.fspath(path))))


def part_names(path: str) -> tuple[str, ...]:
    """The same as text, which is faster for thousands."""
    split = _FIRST_PART.fullmatch(path) if "-of-" in path else None
    if split is None or not 1 < int(split["count"]) <= MAX_PARTS:
        return (path,)
    count = int(split["count"])
    return tuple(f"{split['stem']}-{number:05}-of-{count:05}{split['ending']}" for number in range(1, count + 1))


def stem_and_tag(file_name: str) -> tuple[str, str | None]:
    """A file's name without extension, part number and quantization; and that quantization, as it is written.

    stem_and_tag("SmolLM2-135M-Instruct.Q4_1.gguf")     # ("SmolLM2-135M-Instruct", "Q4_1")
    """
    stem = _ENDING.sub("", file_name)
    if "-of-" in stem and (split := _SPLIT.fullmatch(stem)):
        stem = split["stem"]
    if found := _QUANTIZATION.search(stem):
        return stem[: found.start()] or stem, found["tag"]
    return stem, None


def without_finished(files: tuple[str, ...]) -> Iterator[str]:
    """`files` less those transfers whose whole file is there too."""
    there = set(files)
    for file in files:
        if not file.endswith(PARTIAL) or file.removesuffix(PARTIAL) not in there:
            yield file


def _leads_to_folder(link: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(link).st_mode)  # noqa: PTH116 - as above
    except OSError:  # dangling, or a link to itself; as a file it is listed with what is wrong
        return False


def _leaves(link: str, root: str) -> bool:
    try:
        target = os.path.join(os.path.dirname(link), os.readlink(link))  # noqa: PTH115, PTH118, PTH120 - as above
    except OSError:
        return True
    return not os.path.normpath(target).startswith(os.path.join(root, ""))  # noqa: PTH118


def _is_first_part(file_name: str) -> bool:
    if "-of-" not in file_name:
        return True
    split = _SPLIT.fullmatch(Path(file_name.removesuffix(PARTIAL)).stem)
    return split is None or int(split["index"]) == 1
