"""Carries prefixes between the model's memory, a place beside it, and the disk, where they outlive the worker."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker.attic import Attic, Parked
from samovar_agent.engine.worker.context import Context
from samovar_agent.engine.worker.fingerprint import fingerprint
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.prefix_cache import PrefixCache
from samovar_agent.engine.worker.snapshots import Binding, SnapshotStore, load_or_create_key
from samovar_protocol import SamovarError

_LEAST_TOKENS = 64
"""Shorter prefixes are computed faster than anybody notices."""
_LEAST_PARKED = 256
"""With so many tokens in memory that nobody uses, computing gets slower."""
_ATTIC_BYTES = 256 * 1024 * 1024
"""Room for parked prefixes at most; never more than half of what the model's own memory takes."""
_MOST_SAVED = 8
"""Prefixes saved at once, the most recently used ones."""


class Keeper:
    """Moves what nobody uses out of the model's memory, saves it, and brings it back for a prompt that begins with it.

    - store: None where nothing is kept on disk. - attic: keeps prefixes beside the model's memory.
    """

    def __init__(self, context: Context, cache: PrefixCache, attic: Attic, store: SnapshotStore | None) -> None:
        self._context, self._cache, self._attic, self._store = context, cache, attic, store
        self._saved: set[int] = set()
        self._lock = threading.Lock()
        self._writing: threading.Thread | None = None

    def park(self) -> None:
        """Empty the model's memory of what no request uses, where that is worth the copying."""
        if not self._context.can_share_any_prefix:
            return
        if self._cache.idle < _LEAST_PARKED:
            return
        gone: list[Parked] = []
        for sequence, tokens in reversed(self._cache.finished()):
            if self._cache.in_use(sequence):
                continue
            if len(tokens) * self._context.bytes_per_token > self._attic.budget_bytes:
                continue  # it stays where it is, until its room is needed
            if len(tokens) >= _LEAST_TOKENS and (state := self._context.save(sequence)) is not None:
                gone += self._attic.put(tokens, state)
            self._cache.forget(sequence)
        self._cache.counts.evictions += len(gone)
        self._begin_writing([(parked.tokens, parked.state) for parked in gone if self._is_new(parked.tokens)])

    def bring(self, tokens: Sequence[int], known: int) -> bool:
        """Restore the prefix that fits a prompt best; False where memory has as much, or there is none."""
        # The last token always has to be computed, for its scores.
        wanted = tokens[:-1]
        found = self._attic.nearest(wanted)
        if found is not None and found[1] >= known + _LEAST_TOKENS:
            parked, _ = found
            if self._adopt(parked.tokens, parked.state):
                self._attic.take(parked)
                return True
        return self._bring_saved(wanted, known)

    def save(self) -> None:
        """Begin to write what is not on disk yet; the copying happens now, the writing in a thread of its own."""
        states = ((tokens, self._context.save(sequence)) for tokens, sequence in self._remembered())
        self._begin_writing([(tokens, state) for tokens, state in states if state is not None] + self._parked())

    def save_now(self, seconds: float) -> None:
        """Write what is not on disk yet, the most recently used first, for about so long."""
        deadline = time.monotonic() + seconds
        if self._writing is not None:
            self._writing.join(seconds)
        for tokens, sequence in self._remembered():
            if time.monotonic() > deadline:
                return
            state = self._context.save(sequence)
            if state is not None:
                self._write([(tokens, state)])
        for tokens, parked in self._parked():
            if time.monotonic() > deadline:
                return
            self._write([(tokens, parked)])

    def _bring_saved(self, wanted: Sequence[int], known: int) -> bool:
        if self._store is None or not self._lock.acquire(blocking=False):  # what is being written now is in memory
            return False
        try:
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
        tokens = entry.tokens()
        if state is None or not self._adopt(tokens, state):
            return False
        self._saved.add(hash(tuple(tokens)))
        self._cache.counts.restored += 1
        return True

    def _adopt(self, tokens: Sequence[int], state: bytes | bytearray) -> bool:
        return self._cache.adopt(tokens, lambda sequence: self._context.restore(sequence, state, len(tokens)))

    def _remembered(self) -> list[tuple[list[int], int]]:
        """Prefixes in the model's memory that are long enough, not saved yet, and not part of a longer one."""
        wanted: list[tuple[list[int], int]] = []
        for sequence, tokens in self._cache.finished()[:_MOST_SAVED]:
            contained = any(other[: len(tokens)] == tokens for other, _ in wanted)
            if self._is_new(tokens) and not (contained and self._context.can_share_any_prefix):
                wanted.append((tokens, sequence))
        return wanted

    def _parked(self) -> list[tuple[list[int], bytes | bytearray]]:
        return [(parked.tokens, parked.state) for parked in self._attic.all() if self._is_new(parked.tokens)]

    def _is_new(self, tokens: Sequence[int]) -> bool:
        return self._store is not None and len(tokens) >= _LEAST_TOKENS and hash(tuple(tokens)) not in self._saved

    def _begin_writing(self, states: list[tuple[list[int], bytes | bytearray]]) -> None:
        if not states or (self._writing is not None and self._writing.is_alive()):
            return
        self._writing = threading.Thread(target=self._write, args=(states,), name="snapshots", daemon=True)
        self._writing.start()

    def _write(self, states: Sequence[tuple[list[int], bytes | bytearray]]) -> None:
        for tokens, state in states:
            with self._lock:
                if self._store is not None and self._store.save(tokens, memoryview(state)):
                    self._saved.add(hash(tuple(tokens)))
                    self._cache.counts.saved += 1


def open_keeper(options: LoadOptions, model: Model, context: Context, cache: PrefixCache) -> Keeper:
    """The keeper for this model and these settings; without a disk where nothing is to be kept, or nothing can be."""
    attic = Attic(min(_ATTIC_BYTES, context.bytes_per_token * context.cells // 2))
    return Keeper(context, cache, attic, _open_store(options, model, context))


def _open_store(options: LoadOptions, model: Model, context: Context) -> SnapshotStore | None:
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
    return store
