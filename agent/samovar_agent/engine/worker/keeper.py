"""Carries prefixes between the model's memory and the disk, so that they outlive the worker."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker.context import Context
from samovar_agent.engine.worker.fingerprint import fingerprint
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.prefix_cache import PrefixCache
from samovar_agent.engine.worker.snapshots import Binding, SnapshotStore, load_or_create_key
from samovar_protocol import SamovarError

_LEAST_TOKENS = 64
"""Shorter prefixes are computed faster than anybody notices."""
_MOST_SAVED = 8
"""Prefixes saved at once, the most recently used ones."""


class Keeper:
    """Saves what the model remembers, and brings it back when a prompt begins with it."""

    def __init__(self, store: SnapshotStore, context: Context, cache: PrefixCache) -> None:
        self._store, self._context, self._cache = store, context, cache
        self._saved: set[int] = set()
        self._lock = threading.Lock()
        self._writing: threading.Thread | None = None

    def bring(self, tokens: Sequence[int], known: int) -> bool:
        """Restore the saved prefix that fits a prompt best; False where memory has as much, or there is none."""
        if not self._lock.acquire(blocking=False):  # what is being written now is in memory
            return False
        try:
            # The last token always has to be computed, for its scores.
            wanted = tokens[:-1]
            if self._context.can_share_any_prefix:
                nearest = self._store.nearest(wanted)
                entry, length = nearest if nearest is not None else (None, 0)
            else:
                entry = self._store.longest(wanted)
                length = entry.length if entry is not None else 0
            if entry is None or length < known + _LEAST_TOKENS:
                return False
            state = self._store.read(entry)
        finally:
            self._lock.release()
        if state is None:
            return False
        saved = entry.tokens()
        if not self._cache.adopt(saved, lambda sequence: self._context.restore(sequence, state, len(saved))):
            return False
        self._saved.add(hash(tuple(saved)))
        return True

    def save(self) -> None:
        """Begin to write what is not on disk yet; the copying happens now, the writing in a thread of its own."""
        if self._writing is not None and self._writing.is_alive():
            return
        self._writing = threading.Thread(target=self._write, args=(self._unsaved(),), name="snapshots", daemon=True)
        self._writing.start()

    def save_now(self, seconds: float) -> None:
        """Write what is not on disk yet, the most recently used first, for about so long."""
        deadline = time.monotonic() + seconds
        if self._writing is not None:
            self._writing.join(seconds)
        for tokens, sequence in self._wanted():
            if time.monotonic() > deadline:
                break
            state = self._context.save(sequence)
            if state is not None:
                self._write([(tokens, state)])

    def _unsaved(self) -> list[tuple[list[int], bytearray]]:
        states = ((tokens, self._context.save(sequence)) for tokens, sequence in self._wanted())
        return [(tokens, state) for tokens, state in states if state is not None]

    def _wanted(self) -> list[tuple[list[int], int]]:
        """Remembered prefixes that are long enough, not saved yet, and not part of a longer one."""
        wanted: list[tuple[list[int], int]] = []
        for sequence, tokens in self._cache.finished()[:_MOST_SAVED]:
            if len(tokens) < _LEAST_TOKENS or hash(tuple(tokens)) in self._saved:
                continue
            contained = any(other[: len(tokens)] == tokens for other, _ in wanted)
            if not (contained and self._context.can_share_any_prefix):
                wanted.append((tokens, sequence))
        return wanted

    def _write(self, states: list[tuple[list[int], bytearray]]) -> None:
        for tokens, state in states:
            with self._lock:
                if self._store.save(tokens, memoryview(state)):
                    self._saved.add(hash(tuple(tokens)))


def open_keeper(options: LoadOptions, model: Model, context: Context, cache: PrefixCache) -> Keeper | None:
    """The keeper for this model and these settings; None where nothing is to be kept, or nothing can be."""
    if options.snapshots is None:
        return None
    try:
        key = load_or_create_key(Path(options.snapshots.key_file))
        binding = Binding(
            model=fingerprint(Path(options.path)),
            runtime=model.build,
            settings={"context_length": str(options.context_length), "sequences": str(context.sequences)},
        )
    except (SamovarError, OSError) as error:
        sys.stderr.write(f"Prefixes are not kept on disk: {error}\n")
        return None
    store = SnapshotStore(
        Path(options.snapshots.folder),
        key,
        binding,
        options.snapshots.budget_bytes,
        trimmable=context.can_share_any_prefix,
    )
    store.prune()
    return Keeper(store, context, cache)
