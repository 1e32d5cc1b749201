"""Notices that something in the models' folders changed: the operating system tells, or somebody looks now and then.

    watch = FolderWatch()
    await watch.run(refresh)                    # until cancelled
    watch.unchanged(["/home/me/models"])        # those in which nothing happened since they were asked for last

Where watching is impossible (folders of other machines, the system's limit of watches reached), the folders are looked
through now and then, as often as costs next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from samovar_agent.models.gguf_reader import shown
from samovar_agent.platforms.network_folders import is_network_folder, mounts
from samovar_protocol import SamovarError

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

log = logging.getLogger("samovar.models")

TICK_SECONDS = 2.0
"""How soon a change is noticed; the system collects them meanwhile, so nothing is missed in between."""
POLL_SECONDS = 10.0
"""How often folders that cannot be watched are looked through, at most."""
THOROUGH_SECONDS = 600.0
"""How often everything is listed anew, for changes that left no trace."""
_SHARE = 100
"""Looking where nothing says that something changed may take one part in so many of the time."""
_SHARE_CHANGED = 10
"""The same where something did change; one slow look must not make the next one late."""

_Identity = tuple[int, int]


class FolderWatch:
    """Watches folders, which may come and go. `unchanged` may be called from any thread."""

    def __init__(self, *, tick: float = TICK_SECONDS, poll: float = POLL_SECONDS) -> None:
        self._tick = tick
        self._poll = poll
        self._lock = threading.Lock()
        self._running = False
        self._roots: tuple[str, ...] = ()
        self._watched: dict[str, tuple[_Identity, RustNotify]] = {}
        self._impossible: dict[str, _Identity] = {}
        self._changed: set[str] = set()

    def unchanged(self, roots: Sequence[str]) -> frozenset[str]:
        """Of these, those in which nothing happened since the last call; the caller looks at all others now."""
        with self._lock:
            self._roots = tuple(dict.fromkeys(roots))
            if not self._running:
                return frozenset()
            self._ask()
            quiet = frozenset(root for root in self._watched if root not in self._changed)
            self._changed.clear()
            return quiet

    async def run(self, refresh: Callable[[bool], Awaitable[None]]) -> None:
        """Call `refresh(thorough)` when something changed, until cancelled. - thorough: trust no folder's time."""
        self._running = True
        thorough_at = time.monotonic() + THOROUGH_SECONDS
        polled_at = took = 0.0
        try:
            while True:
                changed = await asyncio.to_thread(self._look)
                now = time.monotonic()
                rested = now - polled_at
                thorough = now >= thorough_at and rested >= _SHARE * took
                poll = bool(self._impossible) and rested >= max(self._poll, _SHARE * took)
                if poll or thorough or (changed and rested >= _SHARE_CHANGED * took):
                    try:
                        await refresh(thorough)
                    except SamovarError as error:  # a disk that is full; it is looked at again
                        log.warning(error.failure.message)
                    polled_at = time.monotonic()
                    took = polled_at - now
                    if thorough:
                        thorough_at = polled_at + THOROUGH_SECONDS
                await asyncio.sleep(self._tick)
        finally:
            self.close()

    def close(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            self._running = False
            for _, notify in self._watched.values():
                notify.close()
            self._watched.clear()
            self._impossible.clear()

    def _look(self) -> bool:
        with self._lock:
            if not self._running:
                return False
            self._ask()
            return bool(self._changed)

    def _ask(self) -> None:
        """Collect what the system tells, and watch what is there now."""
        for root in [root for root in self._watched if root not in self._roots]:
            self._watched.pop(root)[1].close()
        for root in self._roots:
            identity = _identity(root)
            known = self._watched.get(root)
            if known and known[0] != identity:  # deleted, unmounted, or another folder of that name
                known[1].close()
                del self._watched[root]
                known = None
                self._changed.add(root)
            if identity is None:
                if self._impossible.pop(root, None):
                    self._changed.add(root)
            elif known is None and self._impossible.get(root) != identity:
                self._begin(root, identity)
            elif known and self._told(root, known[1]):
                self._changed.add(root)

    def _told(self, root: str, watch: RustNotify) -> bool:
        """Whether something changed."""
        try:
            return watch.watch(1, 1, 1, None) != "timeout"
        except RuntimeError:  # it cannot say a name that is no UTF-8, and goes on failing: the next look begins anew
            watch.close()
            del self._watched[root]
            return True

    def _begin(self, root: str, identity: _Identity) -> None:
        self._changed.add(root)  # what happened before nobody knows
        self._impossible.pop(root, None)
        problem = "it lies on another machine"
        if not is_network_folder(Path(os.path.realpath(root)), mounts()):
            try:
                from watchfiles._rust_notify import RustNotify

                self._watched[root] = (identity, RustNotify([root], False, False, 0, True, True))
                return
            except (OSError, RuntimeError, ImportError) as error:  # most often: too many watches
                problem = str(error)
        self._impossible[root] = identity
        log.info("a models folder is looked through now and then", extra={"folder": shown(root), "reason": problem})


def _identity(root: str) -> _Identity | None:
    try:
        status = os.stat(root)  # noqa: PTH116 - roots may hold a NUL, and are asked often
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
