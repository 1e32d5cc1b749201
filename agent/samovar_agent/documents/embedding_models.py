"""Embedding models as documents need them: which one, how long its texts may be, and what makes the vectors.

models = EmbeddingModels(library, instances, settings)
key = models.default()                                  # None where this machine has none
cutter = await models.cutter(key)
vectors = await models.embed(key, texts)
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from samovar_agent.documents.chunking import TARGET_TOKENS
from samovar_agent.documents.cutting import EstimatingCutter
from samovar_agent.engine.instances import Instances
from samovar_agent.models.library import Library
from samovar_agent.settings import SettingsFile
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import EmbedReply
from samovar_protocol.values import ModelInfo, Priority, Progress

log = logging.getLogger("samovar.documents")

CONTEXT_TOKENS = 64
"""Kept free of a model's length for the names of document and section that go before a chunk."""
_LEAST_LENGTH = 128
"""A model that reads less than this at once is no use for documents."""
_TEXTS_AT_ONCE = 2000
"""Whose tokens are counted in one message to the worker; each has 500 characters, or a chunk's."""


@dataclass(frozen=True, slots=True)
class ModelCutter:
    """Cuts to what a model reads at once, counted in its own tokens."""

    instances: Instances
    model: str
    target: int

    @property
    def recipe(self) -> str:
        """Models with the same tokens would make the same chunks, but nobody knows which have."""
        return f"{self.model}/{self.target}"

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The model's own counts."""
        counts: list[int] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            counts += await self.instances.count_tokens(self.model, texts[start : start + _TEXTS_AT_ONCE])
        return counts


class EmbeddingModels:
    """The library's models that make vectors of texts."""

    def __init__(self, library: Library, instances: Instances, settings: SettingsFile) -> None:
        self._library, self._instances, self._settings = library, instances, settings
        self._refused: set[str] = set()

    def default(self) -> str | None:
        """The key of the settings' model or, where they name none, of the smallest that is there; None without any."""
        wanted = self._settings.current.documents.embedding_model
        if wanted:
            try:
                return self.resolve(wanted)
            except SamovarError as error:
                log.warning("the setting documents.embedding_model: %s", error.failure.message)
        able = [info for info in self._library.ls() if _is_able(info)]
        return min(able, key=lambda info: (info.size_bytes, info.key)).key if able else None

    def resolve(self, name: str) -> str:
        """The key of the model that `name` means. Raises what `Library.find` does, and `model_unsupported`."""
        info = self._library.find(name).info
        if not _is_able(info):
            raise SamovarError(
                FailureCode.MODEL_UNSUPPORTED,
                f"{info.key} is no embedding model for documents.",
                hint="`samovar search embed` finds some, `samovar get all-minilm-l6-v2` a small one.",
            )
        return info.key

    def length(self, key: str) -> int:
        """How many tokens it reads at once. Raises `model_unknown`."""
        return self._library.find(key).info.context_length or _LEAST_LENGTH

    def width(self, key: str) -> int | None:
        """How many dimensions its vectors should have, by what its file says; None where that is not known."""
        header = self._library.header(key)
        return header.embedding_length or None if header is not None else None

    def is_there(self, key: str) -> bool:
        """Whether the model is on this machine and can be used."""
        try:
            return _is_able(self._library.find(key).info)
        except SamovarError:
            return False

    async def cutter(self, key: str | None) -> ModelCutter | EstimatingCutter:
        """How to cut for a model; by estimate where it is not there or cannot be loaded: text comes before vectors."""
        if key is None or not self.is_there(key):
            return EstimatingCutter()
        target = min(TARGET_TOKENS, self.length(key) - CONTEXT_TOKENS)
        cutter = ModelCutter(self._instances, key, target)
        try:
            await cutter.count_tokens(["a"])
        except SamovarError as error:
            if error.code == FailureCode.SHUTTING_DOWN:
                raise
            if key not in self._refused:
                self._refused.add(key)
                log.warning("%s does not count tokens: %s", key, error.failure.message)
            return EstimatingCutter()
        self._refused.discard(key)
        return cutter

    async def embed(
        self, key: str, texts: Sequence[str], *, priority: Priority = "background", client: str = "documents"
    ) -> EmbedReply:
        """The vectors of texts. Raises what `Instances.embed` does."""
        async with aclosing(self.embedding(key, texts, priority=priority, client=client)) as items:
            async for item in items:
                if isinstance(item, EmbedReply):
                    return item
        raise AssertionError("a request ends with its reply or raises")

    def embedding(
        self, key: str, texts: Sequence[str], *, priority: Priority, client: str
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        """Progress of loading the model, and the vectors last."""
        return self._instances.embed(key, list(texts), priority=priority, client=client)


def _is_able(info: ModelInfo) -> bool:
    long_enough = info.context_length is None or info.context_length >= _LEAST_LENGTH
    return info.state == "ready" and "embedding" in info.capabilities and long_enough
