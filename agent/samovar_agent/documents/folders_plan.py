"""What happened to a folder, from what was known of its files and what was found now.

    changes = plan(known, found)
    changes.renamed           # the same content elsewhere: nothing is read or embedded again

Nothing here touches a disk.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_SETTLED_SECONDS = 3.0
"""A file's time of change is believed once it is older; a coarse clock might hide a second change within it."""


class Known(NamedTuple):
    """A file as it was when it was last read. - mtime: Unix seconds. - sha256: None where it was not read yet."""

    path: str
    size: int
    mtime: float
    sha256: str | None = None


class Found(NamedTuple):
    """A file as it is now. - path: absolute. - mtime: Unix seconds. - sha256: None where nobody read it."""

    path: str
    size: int
    mtime: float
    sha256: str | None = None


class Renamed(NamedTuple):
    """A file that has another path now."""

    before: Known
    after: Found


@dataclass(frozen=True, slots=True)
class Changes:
    """What to do, each list sorted by path. A path is in one of them at most.

    Worked off in the order of the fields, no content is forgotten that a later step needs: what `gone` had may be
    what `changed` has now.

    - renamed: only the path changes. - touched: only size and time as they are known change.
    - added: new here, though the content may be known. - changed: other content under the same path.
    """

    renamed: list[Renamed]
    touched: list[Found]
    added: list[Found]
    changed: list[Found]
    gone: list[Known]

    def __bool__(self) -> bool:
        return bool(self.renamed or self.touched or self.added or self.changed or self.gone)


def to_read(known: Iterable[Known], found: Iterable[Found], *, now: float) -> list[Found]:
    """Those whose digest decides what happened to them: renamed or new, changed or only touched.

    - now: Unix seconds; what changed just before may have changed again without a trace.
    """
    before = {file.path: file for file in known}
    files = list(found)
    there = {file.path for file in files}
    sizes_gone = {file.size for file in before.values() if file.path not in there}

    def doubtful(file: Found) -> bool:
        old = before.get(file.path)
        if old is None:
            return file.size in sizes_gone
        if file.size != old.size or old.sha256 is None:
            return False
        return file.mtime != old.mtime or abs(now - file.mtime) < _SETTLED_SECONDS

    return [file for file in files if doubtful(file)]


def plan(known: Iterable[Known], found: Iterable[Found], *, unsure: Collection[str] = ()) -> Changes:
    """What leads from `known` to `found`.

    - found: each path once; with a digest where `to_read` asks for one. - unsure: files and folders that could not be
    looked at; what is known at and below them stays as it is.
    """
    before = {file.path: file for file in known}
    after = {file.path: file for file in found}
    added: list[Found] = []
    changed: list[Found] = []
    touched: list[Found] = []
    for path in sorted(after):
        file, old = after[path], before.get(path)
        if old is None:
            added.append(file)
        elif file.sha256 not in (None, old.sha256):
            changed.append(file)
        elif (file.size, file.mtime) != (old.size, old.mtime):
            (touched if file.sha256 else changed).append(file)
    gone = [before[path] for path in sorted(before) if path not in after and not within(path, unsure)]
    renamed = _renamed(gone, added)
    moved_from = {pair.before.path for pair in renamed}
    moved_to = {pair.after.path for pair in renamed}
    return Changes(
        renamed=renamed,
        touched=touched,
        added=[file for file in added if file.path not in moved_to],
        changed=changed,
        gone=[file for file in gone if file.path not in moved_from],
    )


def within(path: str, tops: Collection[str]) -> bool:
    """Whether `path` is one of `tops` or lies below one. - tops: a set where there may be many."""
    while tops:
        if path in tops:
            return True
        cut = path.rfind(os.sep)
        if cut < 0:
            return False
        if path[: cut + 1] in tops:  # the top of a disk ends in a separator
            return True
        path = path[:cut]
    return False


def _renamed(gone: Sequence[Known], added: Sequence[Found]) -> list[Renamed]:
    """Pairs of equal content: rather the same name in another folder, then the same folder, then any."""
    pairs: list[Renamed] = []
    sources = [file for file in gone if file.sha256]
    targets = [file for file in added if file.sha256]
    for likeness in (os.path.basename, os.path.dirname, _anything):
        if not sources or not targets:
            break
        pairs += _paired(sources, targets, likeness)
        used = {pair.before.path for pair in pairs} | {pair.after.path for pair in pairs}
        sources = [file for file in sources if file.path not in used]
        targets = [file for file in targets if file.path not in used]
    return sorted(pairs, key=lambda pair: pair.after.path)


def _paired(sources: Sequence[Known], targets: Sequence[Found], likeness: Callable[[str], str]) -> list[Renamed]:
    waiting: dict[tuple[str | None, str], list[Known]] = defaultdict(list)
    for source in reversed(sources):
        waiting[source.sha256, likeness(source.path)].append(source)
    pairs = []
    for target in targets:
        alike = waiting.get((target.sha256, likeness(target.path)))
        if alike:
            pairs.append(Renamed(alike.pop(), target))
    return pairs


def _anything(path: str) -> str:
    return ""
