"""`POST /api/v1/models/load` and `/unload`: into memory and out of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from samovar_agent.engine.cache_size import STEP_TOKENS
from samovar_agent.http.answering import json_response
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import read_json
from samovar_agent.http.lmstudio import model_facts
from samovar_agent.http.lmstudio.errors import invalid_value
from samovar_agent.http.lmstudio.model_facts import LoadConfig
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.model_names import key_of
from samovar_agent.models.gguf import GgufHeader
from samovar_protocol.replies import LoadReply
from samovar_protocol.values import InstanceInfo, Name

if TYPE_CHECKING:
    from samovar_agent.services import Services


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out.

    - echo_load_config: tell how it was loaded. - ttl, identifier, force: ours. Unload it after so many seconds without
    use, give the instance another name, load although it does not seem to fit.
    The others are decided here, and have to be what they are anyway.
    """

    model: Name
    context_length: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    eval_batch_size: int | None = None
    flash_attention: bool | None = None
    num_experts: int | None = None
    offload_kv_cache_to_gpu: bool | None = None
    echo_load_config: bool | None = None
    ttl: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    identifier: Name | None = None
    force: bool | None = None

    def check(self, header: GgufHeader) -> None:
        """Raise `bad_request` for what cannot be had."""
        experts = model_facts.experts_used(header)
        _only("eval_batch_size", self.eval_batch_size, STEP_TOKENS, "Prompts are computed in steps of {} tokens")
        if self.num_experts is not None and experts is None:
            raise invalid_value("This model has no experts.", param="num_experts", hint="Leave it out.")
        _only("num_experts", self.num_experts, experts, "The model's own number of experts, {}, is always used")
        if self.flash_attention is False:
            raise invalid_value(
                "Fast attention is not switched off: it is used wherever llama.cpp can.",
                param="flash_attention",
                hint="Leave it out.",
            )
        if self.offload_kv_cache_to_gpu:
            raise invalid_value(
                "The cache is kept in the machine's own memory.",
                param="offload_kv_cache_to_gpu",
                hint="Send false, or leave it out.",
            )


class LoadedModel(msgspec.Struct, frozen=True, kw_only=True):
    """It is in memory. - load_time_seconds: next to nothing where it was there already."""

    type: Literal["llm", "embedding"]
    instance_id: str
    load_time_seconds: float
    status: Literal["loaded"] = "loaded"
    load_config: LoadConfig | UnsetType = UNSET


class UnloadRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - instance_id: or the name of a model that is in memory once."""

    instance_id: Name


class Unloaded(msgspec.Struct, frozen=True, kw_only=True):
    """It is gone from memory."""

    instance_id: str


_load_decoder = msgspec.json.Decoder(LoadRequest)
_unload_decoder = msgspec.json.Decoder(UnloadRequest)


class Loading:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def load(self, request: web.Request, job: Job) -> web.Response:
        """Bring a model into memory; when the client goes away meanwhile, loading stops."""
        body = await read_json(request, _load_decoder)
        file = self._services.library.find(key_of(self._services, body.model))
        body.check(file.header)
        began = time.monotonic()
        async with job.interruptible():
            reply = await self._services.instances.load(
                body.model,
                context=body.context_length,
                ttl_seconds=body.ttl,
                identifier=body.identifier,
                force=bool(body.force),
            )
        instance = _as_wanted(body, reply)
        config = model_facts.load_config(instance, file.info, file.header)
        loaded = LoadedModel(
            type=model_facts.kind(file.info),
            instance_id=instance.identifier,
            load_time_seconds=time.monotonic() - began,
            load_config=config if body.echo_load_config else UNSET,
        )
        return json_response(msgspec.json.encode(loaded))

    async def unload(self, request: web.Request, job: Job) -> web.Response:
        """Take an instance out of memory; what it is writing ends."""
        body = await read_json(request, _unload_decoder)
        async with job.interruptible():
            identifier = await self._services.instances.unload(body.instance_id)
        return json_response(msgspec.json.encode(Unloaded(instance_id=identifier)))


def _only(name: str, value: int | None, possible: int | None, sentence: str) -> None:
    if value is not None and value != possible:
        raise invalid_value(f"{sentence.format(possible)}.", param=name, hint=f"Send {possible}, or leave it out.")


def _as_wanted(body: LoadRequest, reply: LoadReply) -> InstanceInfo:
    """The instance. One that was in memory already is as it was loaded then; who wants another must not think so."""
    instance = reply.instance
    assert instance is not None, "it was to be loaded, not estimated"
    if reply.already_loaded and body.context_length not in (None, instance.context_length):
        raise bad_request(
            f"'{instance.identifier}' is in memory already, with a context of {instance.context_length:,} tokens.",
            param="context_length",
            hint="Unload it first, or give this one another 'identifier'.",
        )
    if reply.already_loaded and body.ttl not in (None, instance.ttl_seconds):
        raise bad_request(
            f"'{instance.identifier}' is in memory already, with another 'ttl'.",
            param="ttl",
            hint="Unload it first, or give this one another 'identifier'.",
        )
    return instance
