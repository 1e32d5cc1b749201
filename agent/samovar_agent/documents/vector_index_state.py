"""What a vector index holds at a moment. Nothing here locks: one thread at a time makes new states of old ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from samovar_agent.documents.vector_index_codes import Codes, Floats, Positions, differences, encode
from samovar_agent.documents.vector_index_file import Arrays

Ids = NDArray[np.int64]

_LEAST_ROOM = 1024
_MORE_ROOM = 1.5


@dataclass(frozen=True, slots=True)
class State:
    """Vectors by their ids. A later state may share its arrays: it writes only beyond `count`, and to `alive`.

    - count: how many places are taken, all arrays having room for more. - ids: rising. - alive: false where removed.
    - alive_count: how many were not. - vectors: one a row, while there are few; then their centre and codes instead.
    """

    count: int
    alive_count: int
    ids: Ids
    alive: NDArray[np.bool_]
    vectors: Floats | None = None
    centre: Floats | None = None
    codes: Codes | None = None

    @classmethod
    def empty(cls, dimensions: int) -> State:
        """No vectors yet."""
        return cls.of(Arrays(np.empty(0, dtype=np.int64), vectors=np.empty((0, dimensions), dtype=np.float32)))

    @classmethod
    def of(cls, arrays: Arrays) -> State:
        """What was saved."""
        count = len(arrays.ids)
        alive = np.ones(count, dtype=np.bool_)
        return cls(count, count, arrays.ids, alive, arrays.vectors, arrays.centre, arrays.codes)

    def arrays(self) -> Arrays:
        """What is to be saved, of a compact state."""
        vectors = None if self.vectors is None else self.vectors[: self.count]
        codes = None if self.codes is None else self.codes[:, : self.count]
        return Arrays(self.ids[: self.count], vectors, self.centre, codes)

    def alive_ids(self) -> Ids:
        """The ids that are here, rising."""
        return self.ids[: self.count][self.alive[: self.count]]

    def positions(self, ids: Ids) -> Positions:
        """Where these are, of those that are here; rising."""
        wanted = np.unique(ids)
        places = np.searchsorted(self.ids[: self.count], wanted)
        inside = places < self.count
        wanted, places = wanted[inside], places[inside]
        places = places[self.ids[places] == wanted]
        found: Positions = places[self.alive[places]]
        return found

    def scores(self, direction: Floats, places: Positions | None) -> Floats:
        """The cosines of all vectors, or of those at `places`; minus infinity for those that were removed."""
        assert self.vectors is not None, "codes have no scores"
        if places is not None:
            return np.asarray(self.vectors[places] @ direction)
        scores = self.vectors[: self.count] @ direction
        scores[~self.alive[: self.count]] = -np.inf
        return np.asarray(scores)

    def differences(self, direction: Floats, places: Positions | None) -> NDArray[np.uint16]:
        """How unlike all codes are, or those at `places`; more than there are dimensions where one was removed."""
        assert self.codes is not None and self.centre is not None, "there are no codes yet"
        code = encode(direction[None], self.centre)[:, 0]
        if places is not None:
            return differences(self.codes[:, places], code)
        far = differences(self.codes[:, : self.count], code)
        far[~self.alive[: self.count]] = len(direction) + 1
        return far

    def added(self, ids: Ids, vectors: Floats) -> State:
        """With these, instead of those that have the same ids. - ids: rising."""
        if not len(ids):
            return self
        if self.count and ids[0] <= self.ids[self.count - 1]:
            return self._merged(ids, vectors)
        roomy = self._with_room(self.count + len(ids))
        places = slice(self.count, self.count + len(ids))
        roomy.ids[places] = ids
        roomy.alive[places] = True
        if roomy.vectors is not None:
            roomy.vectors[places] = vectors
        else:
            assert roomy.codes is not None and roomy.centre is not None
            roomy.codes[:, places] = encode(vectors, roomy.centre)
        return replace(roomy, count=places.stop, alive_count=self.alive_count + len(ids))

    def removed(self, ids: Ids) -> State:
        """Without these; the same state where none of them is here."""
        places = self.positions(ids)
        if not len(places):
            return self
        self.alive[places] = False
        return replace(self, alive_count=self.alive_count - len(places))

    def compact(self) -> State:
        """Without the places of what was removed."""
        if self.alive_count == self.count:
            return self
        kept = np.flatnonzero(self.alive[: self.count])
        return replace(
            self,
            count=len(kept),
            alive_count=len(kept),
            ids=self.ids[kept],
            alive=np.ones(len(kept), dtype=np.bool_),
            vectors=None if self.vectors is None else self.vectors[kept],
            codes=None if self.codes is None else self.codes[:, kept],
        )

    def coded(self) -> State:
        """With codes instead of vectors."""
        assert self.vectors is not None, "it has codes already"
        compact = self.compact()
        assert compact.vectors is not None
        vectors = compact.vectors[: compact.count]
        centre = vectors.mean(axis=0, dtype=np.float32)
        return replace(
            compact,
            ids=compact.ids[: compact.count],
            alive=compact.alive[: compact.count],
            vectors=None,
            centre=centre,
            codes=encode(vectors, centre),
        )

    def _with_room(self, count: int) -> State:
        if count <= len(self.ids):
            return self
        room = max(count, int(len(self.ids) * _MORE_ROOM), _LEAST_ROOM)
        vectors = codes = None
        if self.vectors is not None:
            vectors = np.empty((room, self.vectors.shape[1]), dtype=np.float32)
            vectors[: self.count] = self.vectors[: self.count]
        if self.codes is not None:
            codes = np.empty((len(self.codes), room), dtype=np.uint64)
            codes[:, : self.count] = self.codes[:, : self.count]
        ids, alive = np.empty(room, dtype=np.int64), np.zeros(room, dtype=np.bool_)
        ids[: self.count], alive[: self.count] = self.ids[: self.count], self.alive[: self.count]
        return replace(self, ids=ids, alive=alive, vectors=vectors, codes=codes)

    def _merged(self, ids: Ids, vectors: Floats) -> State:
        """As `added`, for ids that belong between those that are here."""
        alive = self.alive[: self.count].copy()
        alive[self.positions(ids)] = False
        kept = replace(self, alive=alive, alive_count=int(alive.sum())).compact()
        merged = np.concatenate([kept.ids[: kept.count], ids])
        order = np.argsort(merged, kind="stable")
        rows = codes = None
        if kept.vectors is not None:
            rows = np.concatenate([kept.vectors[: kept.count], vectors])[order]
        if kept.codes is not None and kept.centre is not None:
            codes = np.concatenate([kept.codes[:, : kept.count], encode(vectors, kept.centre)], axis=1)[:, order]
        return replace(
            kept,
            count=len(merged),
            alive_count=len(merged),
            ids=merged[order],
            alive=np.ones(len(merged), dtype=np.bool_),
            vectors=rows,
            codes=codes,
        )
