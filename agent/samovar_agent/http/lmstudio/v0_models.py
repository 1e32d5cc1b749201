"""`GET /api/v0/models` and `/api/v0/models/{id}`: models on this machine, and whether they are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from samovar_agent.http.answering import json_response
from samovar_agent.http.lmstudio.model_facts import writes
from samovar_agent.http.open_work import Job
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model. - type: "vlm" sees images. - loaded_context_length: of the instance that is in memory."""

    id: str
    object: Literal["model"] = "model"
    type: Literal["llm", "vlm", "embeddings"]
    publisher: str
    arch: str | None
    compatibility_type: Literal["gguf"] = "gguf"
    quantization: str | None
    state: Literal["loaded", "not-loaded"]
    max_context_length: int | None
    loaded_context_length: int | UnsetType = UNSET
    capabilities: list[str]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


class Models:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """Models that are ready to be used, and the further names of those in memory."""
        return json_response(msgspec.json.encode(ModelList(data=self._entries())))

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them, under any name that a request may use; raises as loading it would."""
        name = request.match_info["id"]
        entry = next((entry for entry in self._entries() if entry.id == name), None)
        if entry is None:
            model = self._services.library.find(name).info
            entry = _entry(model.key, model, self._loaded().get(model.key))
        return json_response(msgspec.json.encode(entry))

    def _entries(self) -> list[ModelEntry]:
        models = {model.key: model for model in self._services.library.ls() if model.state == "ready"}
        loaded = self._loaded()
        entries = {key: _entry(key, model, loaded.get(key)) for key, model in models.items()}
        for instance in self._ready():
            if instance.identifier not in entries and (model := models.get(instance.model)) is not None:
                entries[instance.identifier] = _entry(instance.identifier, model, instance)
        return list(entries.values())

    def _loaded(self) -> dict[str, InstanceInfo]:
        """The instance that each model's name means, as far as they are in memory."""
        found: dict[str, InstanceInfo] = {}
        for instance in self._ready():
            if instance.identifier == instance.model:
                found[instance.model] = instance
            found.setdefault(instance.model, instance)
        return found

    def _ready(self) -> list[InstanceInfo]:
        return [instance for instance in self._services.instances.ls() if instance.state == "ready"]


def _entry(id_: str, model: ModelInfo, instance: InstanceInfo | None) -> ModelEntry:
    sees = "vision" in model.capabilities
    return ModelEntry(
        id=id_,
        type="embeddings" if not writes(model) else "vlm" if sees else "llm",
        publisher=model.publisher,
        arch=model.architecture,
        quantization=model.quantization,
        state="not-loaded" if instance is None else "loaded",
        max_context_length=model.context_length,
        loaded_context_length=UNSET if instance is None else instance.context_length,
        capabilities=["tool_use"] if "tools" in model.capabilities else [],
    )
