"""Which texts are near in meaning: the vectors of one embedding model, found by their likeness to another one.

    index = VectorIndex(file, dimensions=384)
    if not index.load():
        index.rebuild(rows_of_the_store)
    hits = index.search(query, 50, vectors_of, allowed=ids_of_one_folder)
    index.add(ids, vectors)
    index.remove(ids)
    index.save()

The store has the vectors; this is derived from them and may be deleted at any time. A small index keeps them in memory
and compares all of them. A large one keeps a code of one bit for each dimension, finds by all codes who may be near,
and asks the store for the vectors of these few. So scores are exact, and a filter never hides what it admits.

Everything here blocks and may be called from any thread: a search sees the index as it was when it began, and never
waits for a change.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samovar_agent.documents import vector_index_codes as coarse
from samovar_agent.documents import vector_index_file as on_disk
from samovar_agent.documents.vector_index_codes import Floats, Positions
from samovar_agent.documents.vector_index_state import Ids, State

Rows = Iterable[tuple[int, bytes]]
"""Ids and their vectors as the store keeps them: normalised, float32, in the machine's byte order."""
VectorsOf = Callable[[list[int]], Rows]
"""Asks the store for vectors, in any order; ids that are gone are left out."""
Allowed = Sequence[int] | Ids | Callable[[Ids], NDArray[np.bool_]]
"""A filter: the ids that pass, best where they are few; or a function that says of some ids which of them pass."""

_EXACT_BYTES = 32 << 20
"""Vectors kept in memory: 21,845 of 384 dimensions. With more of them codes are faster, and a 32nd of the size."""
_CANDIDATES = 500
_CANDIDATES_EACH = 5
"""How many vectors the store is asked for in a search: at least, and for each result that is wanted."""
_BATCH = 4096
_CROWDED = 4
"""What was removed is dropped once it is more than one in so many."""

log = logging.getLogger("samovar.documents")


class VectorIndex:
    """See the head of this file.

    - file: made by `save`. - dimensions: of every vector.
    """

    def __init__(self, file: Path, dimensions: int) -> None:
        self.file = file
        self.dimensions = dimensions
        self._state = State.empty(dimensions)
        self._changed = False
        self._changing = threading.Lock()
        self._saving = threading.Lock()

    def __len__(self) -> int:
        return self._state.alive_count

    def search(
        self, query: ArrayLike, limit: int, vectors_of: VectorsOf, allowed: Allowed | None = None
    ) -> list[tuple[int, float]]:
        """The ids of the nearest vectors, best first, each with the cosine of the angle between them and `query`.

        - query: need not be normalised. - limit: how many at most. - vectors_of: called at most once.
        - allowed: only these. A function is asked about the nearest first, and about more while too few pass.
        Raises `ValueError` for a query that has other dimensions, or no direction.
        """
        direction = self._direction(query)
        state = self._state
        passes, places = None, None
        if callable(allowed):
            passes = allowed
        elif allowed is not None:
            places = state.positions(np.asarray(allowed, dtype=np.int64))
        if limit < 1 or not state.count or (places is not None and not len(places)):
            return []
        ids = state.ids[: state.count] if places is None else state.ids[places]
        if state.vectors is not None:
            scores = state.scores(direction, places)
            by_score = np.argsort(-scores, kind="stable")[: int(np.isfinite(scores).sum())]
            chosen = _first(_pieces(by_score, limit), ids, passes, limit)
            return _ranked(ids[chosen], scores[chosen], limit)
        far = state.differences(direction, places)
        candidates = max(_CANDIDATES, limit * _CANDIDATES_EACH)
        chosen = _first(coarse.nearest_first(far, self.dimensions, candidates), ids, passes, candidates)
        found, vectors = self._vectors(vectors_of(ids[chosen].tolist()))
        return _ranked(found, vectors @ direction, limit)

    def add(self, ids: Sequence[int] | Ids, vectors: ArrayLike) -> None:
        """Add vectors, or replace those of ids that are here already.

        - vectors: one a row, normalised. It costs least where ids are larger than all before.
        Raises `ValueError` where a vector has other dimensions or a value that is no number; nothing is added then.
        """
        rows = np.asarray(vectors, dtype=np.float32)
        if rows.shape != (len(ids), self.dimensions):
            raise ValueError(f"{len(ids)} vectors of {self.dimensions} dimensions were expected, not {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError("a vector has a value that is no finite number")
        # Rising; and of an id that comes twice, what comes last.
        rising, last = np.unique(np.asarray(ids, dtype=np.int64)[::-1], return_index=True)
        rows = rows[::-1]
        with self._changing:
            for start in range(0, len(rising), _BATCH):
                batch = slice(start, start + _BATCH)
                state = self._state.added(rising[batch], rows[last[batch]])
                if state.vectors is not None and state.vectors[: state.count].nbytes > _EXACT_BYTES:
                    state = state.coded()
                self._state = state
                self._changed = True

    def remove(self, ids: Sequence[int] | Ids) -> None:
        """Forget these, of those that are here."""
        with self._changing:
            state = self._state.removed(np.asarray(ids, dtype=np.int64))
            if state is not self._state:
                crowded = (state.count - state.alive_count) * _CROWDED > state.count
                self._state = state.compact() if crowded else state
                self._changed = True

    def load(self) -> bool:
        """Read the file; False, and nothing is changed, where there is none or it is not what was saved.

        What was added or removed after it was saved is not in it: see `catch_up`.
        """
        try:
            arrays = on_disk.load(self.file, self.dimensions)
        except FileNotFoundError:
            return False
        except (OSError, on_disk.Unsound) as error:
            log.warning("The vector index %s is made anew: %s.", self.file, error)
            return False
        with self._changing:
            self._state = State.of(arrays)
            self._changed = False
        return True

    def save(self) -> bool:
        """Write the file where something has changed; False where that failed, which costs time at the next start."""
        with self._saving:
            with self._changing:
                if not self._changed:
                    return True
                self._state = state = self._state.compact()
                self._changed = False
            try:
                on_disk.save(self.file, self.dimensions, state.arrays())
            except OSError as error:
                self._changed = True
                log.warning("The vector index %s could not be written: %s.", self.file, error)
                return False
        return True

    def rebuild(self, rows: Rows) -> None:
        """Replace everything by `rows`, best in the order of their ids; what was there serves until they have come.

        What is added meanwhile is lost: see `catch_up`.
        """
        fresh = VectorIndex(self.file, self.dimensions)
        for batch in _in_batches(rows):
            fresh.add(*self._vectors(batch))
        with self._changing:
            self._state = fresh._state
            self._changed = True

    def catch_up(self, ids: Sequence[int] | Ids, vectors_of: VectorsOf) -> int:
        """Make it hold `ids` and nothing else; returns how many were missing or too many.

        - ids: all that the store has. To be called before others add to it.
        """
        wanted = np.unique(np.asarray(ids, dtype=np.int64))
        here = self._state.alive_ids()
        gone = np.setdiff1d(here, wanted, assume_unique=True)
        missing = np.setdiff1d(wanted, here, assume_unique=True)
        self.remove(gone)
        for start in range(0, len(missing), _BATCH):
            self.add(*self._vectors(vectors_of(missing[start : start + _BATCH].tolist())))
        return len(gone) + len(missing)

    def _direction(self, query: ArrayLike) -> Floats:
        vector = np.asarray(query, dtype=np.float32)
        if vector.shape != (self.dimensions,):
            raise ValueError(f"a query of {self.dimensions} dimensions was expected, not {vector.shape}")
        length = float(np.linalg.norm(vector))
        if not (np.isfinite(length) and length > 0):
            raise ValueError("the query has no direction")
        return vector / np.float32(length)

    def _vectors(self, rows: Rows) -> tuple[Ids, Floats]:
        """What the store gave, less what cannot be a vector of this model."""
        sound = [(id_, vector) for id_, vector in rows if len(vector) == self.dimensions * 4]
        ids = np.array([id_ for id_, _ in sound], dtype=np.int64)
        vectors = np.frombuffer(b"".join([vector for _, vector in sound]), dtype=np.float32)
        vectors = vectors.reshape(-1, self.dimensions)
        finite = np.isfinite(vectors).all(axis=1)
        return ids[finite], vectors[finite]


def _first(
    batches: Iterator[Positions], ids: Ids, passes: Callable[[Ids], NDArray[np.bool_]] | None, limit: int
) -> Positions:
    """The first `limit` positions whose ids pass."""
    chosen: list[Positions] = []
    missing = limit
    for batch in batches:
        passing = batch if passes is None else batch[passes(ids[batch])]
        chosen.append(passing[:missing])
        missing -= len(chosen[-1])
        if not missing:
            break
    return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.intp)


def _pieces(positions: Positions, first: int) -> Iterator[Positions]:
    """All of them, in growing pieces."""
    while len(positions):
        yield positions[:first]
        positions = positions[first:]
        first *= 4


def _ranked(ids: Ids, scores: Floats, limit: int) -> list[tuple[int, float]]:
    """The best scores first; of equals the smaller id."""
    order = np.lexsort((ids, -scores))[:limit]
    return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))


def _in_batches(rows: Rows) -> Iterator[list[tuple[int, bytes]]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
