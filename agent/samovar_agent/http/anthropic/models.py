"""`GET /v1/models` and `/v1/models/{id}` as Anthropic's API answers them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.answering import json_response
from samovar_agent.http.errors import bad_request
from samovar_agent.http.open_work import Job
from samovar_agent.http.query import read_query
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="model"):
    """A model. - created_at: when it came here. - max_input_tokens: what it was trained for, where that is known."""

    id: str
    display_name: str
    created_at: datetime
    lifecycle: Literal["active"] = "active"
    max_input_tokens: int | None = None


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of them."""

    data: list[ModelEntry]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page. - beta: of their client's further calls; without effect."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    after_id: str | None = None
    before_id: str | None = None
    beta: bool | None = None


class Models:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ls(self, request: web.Request, job: Job) -> web.Response:
        """Models that are ready to be used, and the further names of those in memory."""
        query = read_query(request, ListQuery)
        entries, more = _page(self._entries(), query)
        first, last = (entries[0].id, entries[-1].id) if entries else (None, None)
        return json_response(msgspec.json.encode(ModelList(data=entries, has_more=more, first_id=first, last_id=last)))

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them, under any name that a request may use; raises as loading it would."""
        name = request.match_info["id"]
        entry = next((entry for entry in self._entries() if entry.id == name), None)
        if entry is None:
            entry = _of_model(self._services.library.find(name).info)
        return json_response(msgspec.json.encode(entry))

    def _entries(self) -> list[ModelEntry]:
        models = {model.key: model for model in self._services.library.ls()}
        entries = {key: _of_model(model) for key, model in models.items() if model.state == "ready"}
        for instance in self._services.instances.ls():
            if instance.state in ("starting", "loading", "ready"):
                entries.setdefault(instance.identifier, _of_instance(instance, models.get(instance.model)))
        return list(entries.values())


def _page(entries: list[ModelEntry], query: ListQuery) -> tuple[list[ModelEntry], bool]:
    """The entries of one page, and whether there are more in its direction."""
    if query.before_id is not None and query.after_id is not None:
        raise bad_request("A page is before one model or after one.", param="before_id", hint="Send one of the two.")
    places = {entry.id: at for at, entry in enumerate(entries)}
    for name, value in (("after_id", query.after_id), ("before_id", query.before_id)):
        if value is not None and value not in places:
            raise bad_request(f"No model in the list is called '{value[:100]}'.", param=name)
    if query.before_id is not None:
        rest = entries[: places[query.before_id]]
        return rest[-query.limit :], len(rest) > query.limit
    rest = entries[places[query.after_id] + 1 :] if query.after_id is not None else entries
    return rest[: query.limit], len(rest) > query.limit


def _of_model(model: ModelInfo) -> ModelEntry:
    return ModelEntry(
        id=model.key,
        display_name=model.name,
        created_at=_time(model.added_at),
        max_input_tokens=model.context_length,
    )


def _of_instance(instance: InstanceInfo, model: ModelInfo | None) -> ModelEntry:
    return ModelEntry(
        id=instance.identifier,
        display_name=model.name if model is not None else instance.model,
        created_at=_time(instance.loaded_at or 0),
        max_input_tokens=instance.context_length or None,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
