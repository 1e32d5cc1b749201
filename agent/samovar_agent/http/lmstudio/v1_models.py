"""`GET /api/v1/models`: models on this machine, what they can do, and their instances in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from samovar_agent.http.answering import json_response
from samovar_agent.http.lmstudio import model_facts
from samovar_agent.http.lmstudio.model_facts import LoadConfig, Quantization
from samovar_agent.http.lmstudio.reasoning_options import ReasoningOptions, options_of
from samovar_agent.http.open_work import Job
from samovar_agent.models.gguf import GgufHeader
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services


class LoadedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance in memory."""

    id: str
    config: LoadConfig


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model that writes can do besides. - reasoning: absent where it has no settings that are known."""

    vision: bool
    trained_for_tool_use: bool
    reasoning: ReasoningOptions | UnsetType = UNSET


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model. - architecture, capabilities, description: absent for embedding models, as LM Studio has it."""

    type: Literal["llm", "embedding"]
    publisher: str
    key: str
    display_name: str
    architecture: str | UnsetType | None = UNSET
    quantization: Quantization | None
    size_bytes: int
    params_string: str | None
    loaded_instances: list[LoadedInstance]
    max_context_length: int | None
    format: Literal["gguf"] = "gguf"
    capabilities: Capabilities | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    models: list[ModelEntry]


class Models:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """Models that are ready to be used."""
        instances = [instance for instance in self._services.instances.ls() if instance.state == "ready"]
        library = self._services.library
        entries = [
            _entry(model, library.header(model.key), [one for one in instances if one.model == model.key])
            for model in library.ls()
            if model.state == "ready"
        ]
        return json_response(msgspec.json.encode(ModelList(models=entries)))


def _entry(model: ModelInfo, header: GgufHeader | None, instances: list[InstanceInfo]) -> ModelEntry:
    entry = ModelEntry(
        type=model_facts.kind(model),
        publisher=model.publisher,
        key=model.key,
        display_name=model_facts.display_name(model, header),
        quantization=model_facts.quantization(model, header),
        size_bytes=model.size_bytes,
        params_string=model_facts.params_string(model),
        loaded_instances=[
            LoadedInstance(id=one.identifier, config=model_facts.load_config(one, model, header)) for one in instances
        ],
        max_context_length=model.context_length,
    )
    if not model_facts.writes(model):
        return entry
    return msgspec.structs.replace(
        entry,
        architecture=model.architecture,
        capabilities=Capabilities(
            vision="vision" in model.capabilities,
            trained_for_tool_use="tools" in model.capabilities,
            reasoning=options_of(model, header) or UNSET,
        ),
        description=model_facts.description(model),
    )
