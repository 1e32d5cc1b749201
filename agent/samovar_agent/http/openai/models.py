"""`GET /v1/models` and `/v1/models/{id}`: what a request may name as its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from samovar_agent.http.kept_reply import KeptReply
from samovar_agent.http.open_work import Job
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

_JSON = {"Content-Type": "application/json"}


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of context as llama.cpp's server tells them. - n_ctx: in memory. - n_ctx_train: the most."""

    n_ctx: int | UnsetType = UNSET
    n_ctx_train: int | UnsetType = UNSET


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model as OpenAI lists it. - created: when it came here. - owned_by: its publisher.

    The other fields are not OpenAI's; editors and agents look there for how long a prompt may be. - context_length:
    tokens; of a model that is not in memory, those that a request loads it with. - max_model_len: the same, as vLLM
    calls it. - meta: more of that.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    context_length: int | UnsetType = UNSET
    max_model_len: int | UnsetType = UNSET
    meta: Context | UnsetType = UNSET


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
            self._listed = KeptReply(msgspec.json.encode(ModelList(data=list(self._entries().values()))))
            self._listed_at = sequence
        return self._listed.answer(request)

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """One of them, under any name that a request may use; raises as loading it would."""
        name, entries = request.match_info["id"], self._entries()
        entry = entries.get(name)
        if entry is None:
            model = self._services.library.find(name).info
            entry = entries.get(model.key) or self._of_model(model, None)
        return web.Response(body=msgspec.json.encode(entry), headers=_JSON)

    def _entries(self) -> dict[str, ModelEntry]:
        models = {model.key: model for model in self._services.library.ls()}
        here = [one for one in self._services.instances.ls() if one.state in ("starting", "loading", "ready")]
        by_model = {instance.model: instance for instance in reversed(here)}
        entries = {
            key: self._of_model(model, by_model.get(key)) for key, model in models.items() if model.state == "ready"
        }
        for instance in here:
            entries.setdefault(instance.identifier, _of_instance(instance, models.get(instance.model)))
        return entries

    def _of_model(self, model: ModelInfo, instance: InstanceInfo | None) -> ModelEntry:
        """- instance: the one of it that a request for its key is answered by."""
        loaded = instance.context_length if instance is not None else 0
        usable = loaded
        if not loaded and model.context_length and "chat" in model.capabilities:
            usable = min(model.context_length, self._services.settings.current.models.context_length)
        return _entry(model.key, model.added_at, model.publisher, usable, _context(loaded, model))


def _of_instance(instance: InstanceInfo, model: ModelInfo | None) -> ModelEntry:
    publisher = model.publisher if model is not None else instance.model.partition("/")[0]
    loaded = instance.context_length
    return _entry(instance.identifier, instance.loaded_at or 0, publisher, loaded, _context(loaded, model))


def _entry(id_: str, created: float, publisher: str, usable: int, meta: Context) -> ModelEntry:
    return ModelEntry(
        id=id_,
        created=int(created),
        owned_by=publisher,
        context_length=usable or UNSET,
        max_model_len=usable or UNSET,
        meta=UNSET if meta == Context() else meta,
    )


def _context(loaded: int, model: ModelInfo | None) -> Context:
    trained = model.context_length if model is not None else None
    return Context(n_ctx=loaded or UNSET, n_ctx_train=trained or UNSET)
