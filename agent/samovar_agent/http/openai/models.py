"""`GET /v1/models` and `/v1/models/{id}`: what a request may name as its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from samovar_agent.http.kept_reply import KeptReply
from samovar_agent.http.open_work import Job
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

_JSON = {"Content-Type": "application/json"}


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model as OpenAI lists it. - created: when it came here. - owned_by: its publisher."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


class Models:
    """The two endpoints. The encoded list is kept until the next event, whatever that is about."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._listed = KeptReply(b"")
        self._listed_at = -1

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """Models that are ready to be used, and the further names of those in memory."""
        sequence = self._services.events.sequence
        if self._listed_at != sequence:
            self._listed = KeptReply(msgspec.json.encode(ModelList(data=self._entries())))
            self._listed_at = sequence
        return self._listed.answer(request)

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them, under any name that a request may use; raises as loading it would."""
        name = request.match_info["id"]
        entry = next((entry for entry in self._entries() if entry.id == name), None)
        if entry is None:
            entry = _of_model(self._services.library.find(name).info)
        return web.Response(body=msgspec.json.encode(entry), headers=_JSON)

    def _entries(self) -> list[ModelEntry]:
        models = {model.key: model for model in self._services.library.ls()}
        entries = {key: _of_model(model) for key, model in models.items() if model.state == "ready"}
        for instance in self._services.instances.ls():
            if instance.state in ("starting", "loading", "ready"):
                entries.setdefault(instance.identifier, _of_instance(instance, models.get(instance.model)))
        return list(entries.values())


def _of_model(model: ModelInfo) -> ModelEntry:
    return ModelEntry(id=model.key, created=int(model.added_at), owned_by=model.publisher)


def _of_instance(instance: InstanceInfo, model: ModelInfo | None) -> ModelEntry:
    publisher = model.publisher if model is not None else instance.model.partition("/")[0]
    return ModelEntry(id=instance.identifier, created=int(instance.loaded_at or 0), owned_by=publisher)
