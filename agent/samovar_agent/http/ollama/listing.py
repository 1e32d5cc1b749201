"""`GET /api/tags` and `/api/ps`: the models that are here, and those in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response
from samovar_agent.http.ollama.lines import timestamp
from samovar_agent.http.ollama.model_details import Details, details, digest
from samovar_agent.http.ollama.model_names import instance_name, shown_name
from samovar_agent.http.open_work import Job
from samovar_agent.models.naming import LATEST
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

_FOR_EVER = 100 * 365 * 86_400.0
"""Clients want a time and not none; one that is a century away they call "forever"."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A model. - name, model: the same, and what a request may name."""

    name: str
    model: str
    modified_at: str
    size: int
    digest: str
    details: Details


class ModelList(msgspec.Struct, frozen=True):
    """All of them."""

    models: list[Listed]


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A model in memory. - size: of that memory. - size_vram: nothing; the processor computes."""

    name: str
    model: str
    size: int
    digest: str
    details: Details
    expires_at: str
    size_vram: int = 0
    context_length: int


class RunningList(msgspec.Struct, frozen=True):
    """All of them."""

    models: list[Running]


class Listing:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def tags(self, request: web.Request, job: Job) -> web.Response:
        """Models that are ready to be used, and the further names that they were given."""
        models = {info.key: info for info in self._services.library.ls() if info.state == "ready"}
        entries = [_listed(info, shown_name(info)) for info in models.values()]
        for name, key in self._services.library.aliases().items():
            if key in models:
                entries.append(_listed(models[key], name if ":" in name else f"{name}:{LATEST}"))
        return json_response(msgspec.json.encode(ModelList(entries)))

    async def ps(self, request: web.Request, job: Job) -> web.Response:
        """Models in memory, oldest first."""
        models = {info.key: info for info in self._services.library.ls()}
        running = [
            _running(instance, models.get(instance.model))
            for instance in self._services.instances.ls()
            if instance.state in ("starting", "loading", "ready")
        ]
        return json_response(msgspec.json.encode(RunningList(running)))


def _listed(info: ModelInfo, name: str) -> Listed:
    return Listed(
        name=name,
        model=name,
        modified_at=timestamp(info.added_at),
        size=info.size_bytes,
        digest=digest(info),
        details=details(info),
    )


def _running(instance: InstanceInfo, info: ModelInfo | None) -> Running:
    name = instance_name(instance, info)
    return Running(
        name=name,
        model=name,
        size=instance.memory_bytes,
        digest=digest(info) if info is not None else "0" * 64,
        details=details(info),
        expires_at=timestamp(_expires_at(instance)),
        context_length=instance.context_length,
    )


def _expires_at(instance: InstanceInfo) -> float:
    now = time.time()
    if instance.ttl_seconds is None:
        return now + _FOR_EVER
    busy = instance.active or instance.queued or instance.state != "ready"
    since = now if busy else max(instance.last_used_at or 0.0, instance.loaded_at or 0.0)
    return since + instance.ttl_seconds
