"""What makes up a BERT encoder: its published configuration, the tensors that follow from it, and their GGUF names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from samovar_agent.models.published import broken, read_published, unsupported
from samovar_agent.models.safetensors import Entry, Safetensors
from samovar_agent.paths import safe_relative_path

Pooling = Literal["mean", "cls"]

_Size = Annotated[int, Meta(ge=1, le=1_000_000)]
_FLOATS = ("F32", "F16", "BF16")
_ENDS = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
_BLOCK = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_NOT_NEEDED = ("embeddings.position_ids", "pooler.", "cls.predictions.", "cls.seq_relationship.")
"""Numbers of positions, and what a model was trained with that gives no vectors."""


class BertConfig(msgspec.Struct, frozen=True):
    """`config.json`; field names are its own."""

    hidden_size: _Size
    num_hidden_layers: Annotated[int, Meta(ge=1, le=1000)]
    num_attention_heads: _Size
    intermediate_size: _Size
    max_position_embeddings: _Size
    vocab_size: Annotated[int, Meta(ge=1, le=10_000_000)]
    type_vocab_size: _Size = 2
    layer_norm_eps: Annotated[float, Meta(ge=0, le=1)] = 1e-12
    hidden_act: str = "gelu"
    position_embedding_type: str = "absolute"


class _Architecture(msgspec.Struct):
    model_type: str = ""


class _Module(msgspec.Struct):
    type: str
    path: str = ""


class _PoolingConfig(msgspec.Struct):
    pooling_mode_mean_tokens: bool = False
    pooling_mode_cls_token: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False


@dataclass(frozen=True, slots=True)
class BertTensor:
    """One tensor and what it becomes. - name: in the GGUF file. - quantized: numbers of a matrix may be rounded."""

    name: str
    entry: Entry
    quantized: bool


def read_config(folder: Path) -> BertConfig:
    """`config.json`. Raises `model_file_missing`, `model_file_broken`, or `model_unsupported` for what is no BERT."""
    path = folder / "config.json"
    kind = read_published(path, _Architecture).model_type
    if kind != "bert":
        raise unsupported(path, f"is of the architecture '{kind[:40]}'; only BERT can be converted")
    config = read_published(path, BertConfig)
    if config.hidden_act != "gelu" or config.position_embedding_type != "absolute":
        raise unsupported(path, "is a variant of BERT that the engine does not know")
    if config.hidden_size % config.num_attention_heads:
        raise broken(path, f"divides {config.hidden_size} by {config.num_attention_heads} heads")
    return config


def read_pooling(folder: Path) -> Pooling:
    """How the vectors of a text's tokens become one: the mean, where the folder does not say.

    Raises `model_file_broken`, or `model_unsupported` where the model computes more than the engine can.
    """
    path = folder / "modules.json"
    if not path.exists():
        return _pooling(folder / "1_Pooling" / "config.json")
    pooling: Pooling = "mean"
    for module in read_published(path, list[_Module]):
        kind = module.type.rpartition(".")[2]
        if kind == "Pooling":
            pooling = _pooling(safe_relative_path(folder, module.path) / "config.json")
        elif kind not in ("Transformer", "Normalize"):
            raise unsupported(path, f"has a step '{kind[:40]}' after the encoder, which the engine does not know")
    return pooling


def _pooling(path: Path) -> Pooling:
    if not path.exists():
        return "mean"
    config = read_published(path, _PoolingConfig)
    modes = [name for name in config.__struct_fields__ if getattr(config, name)]
    if modes == ["pooling_mode_mean_tokens"]:
        return "mean"
    if modes == ["pooling_mode_cls_token"]:
        return "cls"
    raise unsupported(path, "pools in another way than by the mean or the first token")


def tensors(weights: Safetensors, config: BertConfig) -> list[BertTensor]:
    """All tensors of the model in the order in which they are written, which is not that of the weights' file.

    Raises `model_file_broken` where one is missing or has another shape than the configuration says, and
    `model_unsupported` for tensors that no BERT has, and types that are no floating-point numbers.
    """
    entries = _by_plain_name(weights)
    found: list[BertTensor] = []
    for name, gguf_name, shape in _expected(config):
        entry = entries.pop(name, None)
        if entry is None:
            raise broken(weights.path, f"lacks the tensor '{name}'")
        if entry.shape != shape:
            raise broken(weights.path, f"has its tensor '{name}' in the shape {entry.shape}; the model has {shape}")
        if entry.dtype not in _FLOATS:
            raise unsupported(weights.path, f"has its tensor '{name}' as {entry.dtype}, not as 16 or 32 bit floats")
        # Positions and token types are added to every token: llama.cpp, too, keeps them as they are.
        kept = gguf_name in ("position_embd.weight", "token_types.weight")
        found.append(BertTensor(gguf_name, entry, quantized=len(shape) == 2 and not kept))
    if others := [name for name in entries if not name.startswith(_NOT_NEEDED)]:
        raise unsupported(weights.path, f"has a tensor '{others[0][:80]}', which BERT does not have")
    return found


def _by_plain_name(weights: Safetensors) -> dict[str, Entry]:
    """Tensors by the names that they have in today's files; older ones have other endings, and some a prefix."""
    entries: dict[str, Entry] = {}
    for name, entry in weights.entries.items():
        plain = name.removeprefix("bert.")
        for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
            if plain.endswith(old):
                plain = plain.removesuffix(old) + new
        if entries.setdefault(plain, entry) is not entry:
            raise broken(weights.path, f"has the tensor '{plain}' twice")
    return entries


def _expected(config: BertConfig) -> list[tuple[str, str, tuple[int, ...]]]:
    """(name, name in GGUF, shape) of each tensor."""
    width, inner = config.hidden_size, config.intermediate_size
    rows = {
        "token_embd": config.vocab_size,
        "position_embd": config.max_position_embeddings,
        "token_types": config.type_vocab_size,
    }
    expected: list[tuple[str, str, tuple[int, ...]]] = []
    for name, gguf_name in _ENDS.items():
        shape = (rows[gguf_name], width) if gguf_name in rows else (width,)
        expected.append((f"{name}.weight", f"{gguf_name}.weight", shape))
    expected.append(("embeddings.LayerNorm.bias", "token_embd_norm.bias", (width,)))
    for layer in range(config.num_hidden_layers):
        for name, gguf_name in _BLOCK.items():
            outputs = inner if gguf_name == "ffn_up" else width
            inputs = inner if gguf_name == "ffn_down" else width
            shape = (outputs,) if gguf_name.endswith("_norm") else (outputs, inputs)
            name, gguf_name = f"encoder.layer.{layer}.{name}", f"blk.{layer}.{gguf_name}"
            expected.append((f"{name}.weight", f"{gguf_name}.weight", shape))
            expected.append((f"{name}.bias", f"{gguf_name}.bias", (outputs,)))
    return expected
