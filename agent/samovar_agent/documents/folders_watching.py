"""Notices what happens in the folders of sources, and says which paths it happened to once they are left alone.

    watch = SourceWatch()
    watch.set([Watched("/home/me/notes", Excludes())])
    await watch.run(changed)                       # until cancelled

`changed(root, paths)` is called with the root itself as the only path where everything is to be looked at: at first,
since nobody knows what happened while nobody watched, when a folder came, went or was replaced, and now and then.
Where watching is impossible (folders of other machines, the system's limit of watches reached), that is all there is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from samovar_agent.documents.folders import folders_of, is_left_out
from samovar_agent.documents.folders_excludes import Excludes
from samovar_agent.documents.folders_plan import within
from samovar_agent.documents.folders_settling import QUIET_SECONDS, Settling
from samovar_agent.models.gguf_reader import shown
from samovar_agent.platforms.network_folders import is_network_folder, mounts
from samovar_protocol import SamovarError

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

log = logging.getLogger("samovar.documents")

TICK_SECONDS = 1.0
"""How often the system is asked what it collected; nothing is missed in between."""
POLL_SECONDS = 10.0
"""How often folders that cannot be watched are looked through, at most."""
THOROUGH_SECONDS = 600.0
"""How often everything is looked through, for changes that the system did not tell."""
_SHARE = 100
"""Looking everything through may take one part in so many of the time."""
# Linux watches one folder at a time in any case. Listing them ourselves leaves out the excluded ones, and follows no
# links, while watchfiles would watch the whole disk through a link to it. Elsewhere the system watches all below one.
_ALL_BELOW = sys.platform != "linux"
_MODIFIED = 2

Changed = Callable[[str, frozenset[str]], Awaitable[None]]


class Watched(NamedTuple):
    """A source to be watched. - root: an absolute path. - is_file: it is a single file rather than a folder."""

    root: str
    excludes: Excludes
    is_file: bool = False


class SourceWatch:
    """Watches sources, which may come and go. - tick, quiet, poll: seconds; the tests are in a hurry."""

    def __init__(self, *, tick: float = TICK_SECONDS, quiet: float = QUIET_SECONDS, poll: float = POLL_SECONDS) -> None:
        self._tick = tick
        self._quiet = quiet
        self._poll = poll
        self._roots: dict[str, _Root] = {}
        self._removed: list[_Root] = []

    def set(self, sources: Sequence[Watched]) -> None:
        """From now on watch these; what was watched in the same way before goes on. Called on the loop of `run`."""
        wanted = {source.root: source for source in sources}
        for path, root in list(self._roots.items()):
            if wanted.get(path) != root.watched:
                self._removed.append(self._roots.pop(path))
        for path, source in wanted.items():
            if path not in self._roots:
                self._roots[path] = _Root(source, self._quiet)

    async def run(self, changed: Changed) -> None:
        """Call `changed(root, paths)`, one at a time, until cancelled; once.

        - changed: should do no more than to note what there is to do; a `SamovarError` from it means: again later.
        """
        try:
            while True:
                while self._removed:
                    self._removed.pop().close()
                for root in list(self._roots.values()):
                    paths = await asyncio.to_thread(root.ask, time.monotonic())
                    if paths and root is self._roots.get(root.watched.root):
                        await self._tell(root, paths, changed)
                await asyncio.sleep(self._tick)
        finally:
            for root in (*self._roots.values(), *self._removed):
                root.close()

    async def _tell(self, root: _Root, paths: frozenset[str], changed: Changed) -> None:
        began = time.monotonic()
        problem = ""
        try:
            await changed(root.watched.root, paths)
        except SamovarError as error:
            problem = error.failure.message
        if problem or paths == {root.watched.root}:
            root.looked(began, time.monotonic(), poll=self._poll, problem=problem)


class _Root:
    """One source. Its methods block."""

    def __init__(self, watched: Watched, quiet: float) -> None:
        self.watched = watched
        self._lock = threading.Lock()
        self._closed = False
        self._place = os.path.dirname(watched.root) if watched.is_file else watched.root  # noqa: PTH120
        self._real = watched.root
        self._identity: tuple[int, int] | None = None
        self._settling = Settling(watched.root, quiet=quiet)
        self._notify: RustNotify | None = None
        self._folders: set[str] = set()
        self._impossible = False
        self._everything = True
        self._not_before = self._thorough_at = 0.0
        self._again_at = float("inf")
        self._problem = ""

    def ask(self, now: float) -> frozenset[str]:
        """What is to be looked at now; only the root for everything."""
        with self._lock:
            return frozenset() if self._closed else self._ask(now)

    def _ask(self, now: float) -> frozenset[str]:
        identity = _identity(self._place)
        if identity != self._identity:  # came, went, or is another folder of that name
            self._identity = identity
            self._stop()
            self._impossible = False
            self._everything = True
            self._not_before = 0.0
        if identity is not None and not self._impossible:
            self._listen(now)
        due = self._settling.due(now)
        self._everything |= self.watched.root in due or now >= min(self._thorough_at, self._again_at)
        if not self._everything or now < self._not_before:
            return due - {self.watched.root}
        self._everything = False
        self._again_at = float("inf")
        self._settling.due(float("inf"))
        return frozenset({self.watched.root})

    def looked(self, began: float, now: float, *, poll: float, problem: str) -> None:
        """Everything was looked at, or something could not be. - problem: why, once more after `poll` seconds."""
        pause = _SHARE * (now - began)
        self._not_before = now + pause
        self._thorough_at = now + max(THOROUGH_SECONDS, pause)
        if problem or self._impossible:
            self._again_at = now + max(poll, pause)
        if problem and problem != self._problem:
            log.warning(problem)
        self._problem = problem

    def close(self) -> None:
        """Watch it no more; waits for an `ask` that runs."""
        with self._lock:
            self._closed = True
            self._stop()

    def _listen(self, now: float) -> None:
        """Take what the system tells, and watch what is new."""
        try:
            if self._notify is None:
                self._everything = True  # what happened before nobody knows
                if is_network_folder(Path(os.path.realpath(self._place)), mounts()):
                    self._give_up("it lies on another machine")
                else:
                    self._watch(self._all_folders())
                return
            fresh = self._take(self._notify, now)
            if fresh:
                before = self._notify
                self._watch(self._folders | fresh)
                self._take(before, now)
                before.close()
        except RuntimeError as error:  # e.g. a name that is not UTF-8; this watch says nothing else any more
            log.debug("a folder is watched anew", extra={"folder": shown(self.watched.root), "reason": str(error)})
            self._stop()
            self._everything = True
        except FileNotFoundError:  # a folder went meanwhile
            self._stop()
        except OSError as error:  # most often: too many watches
            self._give_up(str(error))

    def _all_folders(self) -> set[str]:
        if self.watched.is_file or _ALL_BELOW:
            return {self._place}
        try:
            return set(folders_of(self.watched.root, self.watched.excludes, self.watched.root))
        except SamovarError:  # it cannot be listed; whoever looks at it says so
            return {self._place}

    def _watch(self, folders: Collection[str]) -> None:
        self._real = os.path.realpath(self.watched.root)
        from watchfiles._rust_notify import RustNotify

        there = sorted(folder for folder in folders if os.path.isdir(folder))  # noqa: PTH112
        recursive = _ALL_BELOW and not self.watched.is_file
        self._notify = RustNotify(there, False, False, 0, recursive, True)
        self._folders = set(there)

    def _take(self, notify: RustNotify, now: float) -> set[str]:
        """Note what happened; returns the folders that are new."""
        heard = notify.watch(1, 1, 1, None)
        fresh: set[str] = set()
        if isinstance(heard, str):
            return fresh
        root = self.watched.root
        for kind, name in heard:
            path = self._as_named(name)
            if path == root or (within(path, {root}) and not is_left_out(root, path, self.watched.excludes)):
                if path != root or self.watched.is_file:
                    self._settling.note(path, now)
                if kind != _MODIFIED and not (_ALL_BELOW or self.watched.is_file) and os.path.isdir(path):  # noqa: PTH112
                    fresh.update(folders_of(root, self.watched.excludes, path))
        return fresh

    def _as_named(self, path: str) -> str:
        """The path below the root as the root is written; macOS tells where links on the way to it lead."""
        root, real = self.watched.root, self._real
        return root + path[len(real) :] if real != root and within(path, {real}) else path

    def _give_up(self, reason: str) -> None:
        self._stop()
        self._impossible = True
        self._everything = True
        log.info(
            "a folder is looked through now and then",
            extra={"folder": shown(self.watched.root), "reason": reason},
        )

    def _stop(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)  # noqa: PTH116 - a path as text, asked for often
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
