"""The vector indexes of all embedding models, side by side: while a new model's fills, the old one's serves.

indexes = VectorIndexes(folder)
index = indexes.get("nomic-ai/nomic-embed-text@Q8_0", dimensions=768)
indexes.keep_only({"nomic-ai/nomic-embed-text@Q8_0"})
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Collection
from pathlib import Path

from samovar_agent.documents.vector_index import VectorIndex
from samovar_agent.documents.vector_index_file import PARTIAL

_SUFFIX = ".vectors"

log = logging.getLogger("samovar.documents")


class VectorIndexes:
    """One index a model, all in one folder.

    - folder: made on the first save; nothing else lies in it, and all of it may be deleted while no agent runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, VectorIndex] = {}
        self._lock = threading.Lock()

    def get(self, model: str, dimensions: int) -> VectorIndex:
        """The index of a model, always the same object, empty at first: see `VectorIndex.load`.

        - model: whatever tells its vectors from those of others. - dimensions: of its vectors.
        """
        with self._lock:
            index = self._open.get(model)
            if index is None or index.dimensions != dimensions:
                index = self._open[model] = VectorIndex(self._folder / _file_name(model), dimensions)
            return index

    def save(self) -> bool:
        """Save all that have changed; False where one could not be."""
        with self._lock:
            indexes = list(self._open.values())
        saved = [index.save() for index in indexes]
        return all(saved)

    def keep_only(self, models: Collection[str]) -> None:
        """Forget the indexes of all other models, and delete every file that is of none of these."""
        wanted = {_file_name(model) for model in models}
        with self._lock:
            self._open = {model: index for model, index in self._open.items() if model in models}
            files = list(self._folder.iterdir()) if self._folder.is_dir() else []
            for file in files:
                if _SUFFIX in file.suffixes and file.name.removesuffix(PARTIAL) not in wanted:
                    try:
                        file.unlink()
                    except OSError as error:
                        log.warning("%s could not be deleted: %s.", file, error)


def _file_name(model: str) -> str:
    return hashlib.sha256(model.encode()).hexdigest()[:32] + _SUFFIX
