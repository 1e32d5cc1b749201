"""What LM Studio's listings tell of a model, from the library, its file and the catalog. Nothing is guessed."""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from samovar_agent.engine.cache_size import STEP_TOKENS, sequences
from samovar_agent.models.catalog import Catalog, CatalogModel
from samovar_agent.models.gguf import GgufHeader
from samovar_protocol.values import InstanceInfo, ModelInfo


class Quantization(msgspec.Struct, frozen=True, kw_only=True):
    """- bits_per_weight: of all weights together, as they lie in the file."""

    name: str | None
    bits_per_weight: float | None


class LoadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How an instance is loaded; of an embedding model the first alone.

    - eval_batch_size: tokens in a step. - parallel: conversations that can be in memory together. - num_experts: of a
    mixture of them, those that a token asks. - offload_kv_cache_to_gpu: never; the cache is in the machine's memory.
    Whether attention is computed the fast way, llama.cpp finds out by itself and does not tell.
    """

    context_length: int
    eval_batch_size: int | UnsetType = UNSET
    parallel: int | UnsetType = UNSET
    num_experts: int | UnsetType = UNSET
    offload_kv_cache_to_gpu: bool | UnsetType = UNSET


def writes(model: ModelInfo) -> bool:
    """Whether it writes text, and is not for vectors or ranking only."""
    return not {"embedding", "rerank"}.intersection(model.capabilities)


def kind(model: ModelInfo) -> Literal["llm", "embedding"]:
    """What version 1 calls it; a model that ranks is an encoder, too."""
    return "llm" if writes(model) else "embedding"


def load_config(instance: InstanceInfo, model: ModelInfo | None, header: GgufHeader | None) -> LoadConfig:
    """How it was loaded. - model, header: None where its file is gone meanwhile."""
    if model is None or header is None or not writes(model):
        return LoadConfig(context_length=instance.context_length)
    return LoadConfig(
        context_length=instance.context_length,
        eval_batch_size=STEP_TOKENS,
        parallel=sequences(header),
        num_experts=UNSET if (experts := experts_used(header)) is None else experts,
        offload_kv_cache_to_gpu=False,
    )


def experts_used(header: GgufHeader) -> int | None:
    """How many experts a token asks; None where there are none."""
    return max(header.shape.get("expert_used_count", ()), default=0) or None


def quantization(model: ModelInfo, header: GgufHeader | None) -> Quantization | None:
    """How its weights are stored; None where nobody knows."""
    known = header is not None and header.parameters > 0
    if model.quantization is None and not known:
        return None
    bits = round(header.tensor_bytes * 8 / header.parameters, 2) if header is not None and known else None
    return Quantization(name=model.quantization, bits_per_weight=bits)


def display_name(model: ModelInfo, header: GgufHeader | None) -> str:
    """What people call it: by the catalog, else by its file, else its name."""
    listed = _catalog_model(model)
    stated = (header.name or "").strip() if header is not None else ""
    return listed.title if listed is not None else stated or model.name


def description(model: ModelInfo) -> str | None:
    """What the catalog says of it."""
    listed = _catalog_model(model)
    return listed.description if listed is not None else None


def params_string(model: ModelInfo) -> str | None:
    """How many parameters it has, e.g. "135M" or "1.2B"; None where that is not known."""
    count = model.parameters
    if not count:
        return None
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size * 0.9995:
            short = count / size
            return f"{short:.1f}".removesuffix(".0") + unit if short < 10 and unit in "TB" else f"{short:.0f}{unit}"
    return str(count)


def _catalog_model(model: ModelInfo) -> CatalogModel | None:
    return _by_name().get((model.publisher, model.name))


@cache
def _by_name() -> dict[tuple[str, str], CatalogModel]:
    return {(model.publisher, model.name): model for model in Catalog.built_in().models}
