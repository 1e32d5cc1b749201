"""What a GGUF file says about its model, read with every count, length and offset checked against the file.

    header = read_header(Path("SmolLM2-135M-Instruct.Q4_1.gguf"))
    header.architecture, header.context_length          # ('llama', 8192)

The engine's own parser has had memory errors that a crafted header could reach; a file goes there only after this one
found it sound. Tensors themselves are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from samovar_agent.models.gguf_reader import GgufReader, Metadatum, SkippedArray, open_gguf, sought
from samovar_agent.models.gguf_tables import (
    EMBEDDING_ARCHITECTURES,
    FILE_TYPES,
    FILL_IN_THE_MIDDLE,
    TENSOR_TYPES,
    VISION_ARCHITECTURES,
)
from samovar_protocol import SamovarError

MAX_VALUES = 10_000
"""Metadata values in a header; real ones have fewer than 100."""
MAX_TENSORS = 200_000
"""Tensors in a file; the largest mixtures of experts have some 60,000 when every expert is on its own."""
MAX_LAYERS = 8192
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 1024 * 1024
_MAX_NUMBER = 2**31 - 1
_MAX_ELEMENTS = 2**60
_VERSIONS = (2, 3)
_POOLING_RANK = 4
_SHAPE = (
    "attention.sliding_window_pattern",
    "attention.key_length_swa",
    "attention.value_length_swa",
    "attention.key_length_mla",
    "attention.value_length_mla",
    "attention.shared_kv_layers",
    "full_attention_interval",
    "expert_feed_forward_length",
    "expert_used_count",
    "ssm.conv_kernel",
    "ssm.inner_size",
    "ssm.state_size",
    "ssm.group_count",
    "wkv.head_size",
    "token_shift_count",
    "shortconv.l_cache",
    "kda.head_dim",
)
"""What else decides how much memory a model takes; most architectures have few of these."""
_THINKING = re.compile(r"enable_thinking|reasoning_content|<think>|<\|channel\|>analysis")
_TOOLS = re.compile(r"\btools\b")
_VOCABULARY = "tokenizer.ggml.tokens"
_FILL_TEXTS = {text: sought(text) for text in FILL_IN_THE_MIDDLE}
_FILL_KEYS = (
    ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.fim_mid_token_id"),
    ("tokenizer.ggml.prefix_token_id", "tokenizer.ggml.suffix_token_id", "tokenizer.ggml.middle_token_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """Facts of one file. None where the file does not say.

    - kind: "model", or e.g. "adapter", "mmproj" for files that only go with one. - parameters: elements of all tensors.
    - head_counts_kv: key-value heads of each layer, which may differ; `head_count_kv` is the largest.
    - key_length, value_length: of one head. - sliding_window: tokens, where the model attends to a window only.
    - recurrent: has layers with a state instead of a cache. - pooling_type: llama.cpp's number.
    - shape: rarer numbers, by their names without the architecture's; more than one where layers differ.
    - merge_count: entries of the vocabulary's table of merges.
    - fill_in_the_middle: its vocabulary has the tokens for a gap in a text.
    - modalities: "vision", "audio": what this file, a projector or a whole model, encodes beside text.
    - tensor_bytes: the weights as they lie in the file. - split_count, split_index: a model in several files.
    """

    version: int
    architecture: str
    kind: str
    name: str | None
    organization: str | None
    licence: str | None
    parameters: int
    quantization: str | None
    context_length: int | None
    block_count: int
    embedding_length: int
    feed_forward_length: int
    head_count: int
    head_counts_kv: tuple[int, ...]
    key_length: int
    value_length: int
    sliding_window: int | None
    recurrent: bool
    shape: dict[str, tuple[int, ...]]
    vocabulary_size: int | None
    merge_count: int
    chat_template: str | None
    pooling_type: int | None
    tensor_count: int
    tensor_bytes: int
    file_bytes: int
    split_count: int
    split_index: int
    fill_in_the_middle: bool = False
    modalities: tuple[str, ...] = ()

    @property
    def head_count_kv(self) -> int:
        """Key-value heads of the layer that has most."""
        return max(self.head_counts_kv, default=0)

    @property
    def capabilities(self) -> list[str]:
        """What the model is for: "embedding", "rerank", or "chat" with what else it can do.

        "tools" and "thinking" by its template, "fill-in-the-middle" by its vocabulary, "vision" and "audio" where it
        was made for them; a projector that lies beside it may add these.
        """
        if self.pooling_type == _POOLING_RANK:
            return ["rerank"]
        if self.architecture in EMBEDDING_ARCHITECTURES or self.pooling_type:
            return ["embedding"]
        template = self.chat_template or ""
        found = {
            "tools": _TOOLS.search(template),
            "thinking": _THINKING.search(template),
            "fill-in-the-middle": self.fill_in_the_middle,
        }
        return ["chat", *(name for name, match in found.items() if match), *self.modalities]


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of a GGUF file; takes milliseconds and blocks, so call it in a thread.

    Raises `model_file_missing`, `model_file_broken` (the message says what is wrong), or `model_unsupported` for
    versions and tensor types that this program does not know.
    """
    with open_gguf(path) as reader:
        version = _version(reader)
        tensor_count, value_count = reader.u64(), reader.u64()
        if value_count > MAX_VALUES or tensor_count > MAX_TENSORS:
            raise reader.broken(
                f"claims {value_count:,} values and {tensor_count:,} tensors; "
                f"the limits are {MAX_VALUES:,} and {MAX_TENSORS:,}"
            )
        values = _values(reader, value_count)
        alignment = _alignment(reader, values)
        parameters, tensor_bytes = _tensors(reader, tensor_count, alignment)
        return _header(reader, _Facts(reader, values), version, tensor_count, parameters, tensor_bytes)


def _version(reader: GgufReader) -> int:
    if reader.size == 0:
        raise reader.broken("is empty")
    if reader.size < 4 or reader.raw(4) != b"GGUF":
        raise reader.broken("is not a GGUF file")
    version = reader.u32()
    if version in _VERSIONS:
        return version
    what = "was written for big-endian machines" if version & 0xFFFF == 0 else f"has version {version} of the format"
    raise reader.unsupported(f"{what}; versions 2 and 3, little-endian, are supported")


def _values(reader: GgufReader, count: int) -> dict[str, Metadatum]:
    values: dict[str, Metadatum] = {}
    for _ in range(count):
        key = reader.key().decode("utf-8", "replace")
        if key in values:  # which of the two another reader would believe is anybody's guess
            raise reader.broken(f"has the value '{key}' twice")
        values[key] = reader.value(key, _FILL_TEXTS if key == _VOCABULARY else None)
    return values


def _alignment(reader: GgufReader, values: Mapping[str, Metadatum]) -> int:
    alignment = values.get("general.alignment", 32)
    if type(alignment) is not int or not 1 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise reader.broken("has an impossible alignment")
    return alignment


def _tensors(reader: GgufReader, count: int, alignment: int) -> tuple[int, int]:
    """(elements, bytes) of all tensors, after checking that each lies where it must, inside the file."""
    names: set[bytes] = set()
    elements = tensor_bytes = offset = end = 0
    for _ in range(count):
        name = reader.key()
        if name in names:
            raise reader.broken(f"has the tensor '{_text(name)}' twice")
        names.add(name)
        size, length = _tensor_size(reader, name)
        claimed = reader.u64()
        if claimed != offset:
            raise reader.broken(
                f"has its tensor '{_text(name)}' at {claimed:,} of the data, where only {offset:,} is possible"
            )
        elements += size
        tensor_bytes += length
        end = offset + length
        offset = _padded(end, alignment)
    needed = _padded(reader.position, alignment) + end
    if needed > reader.size:
        raise reader.truncated(needed)
    return elements, tensor_bytes


def _tensor_size(reader: GgufReader, name: bytes) -> tuple[int, int]:
    """(elements, bytes) of one tensor, from its dimensions and type."""
    dimension_count = reader.u32()
    if dimension_count > MAX_DIMENSIONS:
        raise reader.broken(f"has {dimension_count} dimensions in its tensor '{_text(name)}'; 4 is the limit")
    dimensions = [reader.u64() for _ in range(dimension_count)]
    elements = 1
    for dimension in dimensions:
        elements *= dimension
    if elements > _MAX_ELEMENTS or max(dimensions, default=1) > _MAX_ELEMENTS:
        raise reader.broken(f"has an impossibly large tensor '{_text(name)}'")
    kind = reader.u32()
    if kind not in TENSOR_TYPES:
        raise reader.unsupported(f"has its tensor '{_text(name)}' in the unknown type {kind}")
    _, block_elements, block_bytes = TENSOR_TYPES[kind]
    row = dimensions[0] if dimensions else 1
    if row % block_elements:
        raise reader.broken(f"has rows of {row:,} in its tensor '{_text(name)}', not whole blocks of {block_elements}")
    return elements, elements // block_elements * block_bytes


class _Facts:
    """Typed look-ups in the metadata; a value of the wrong type or out of range makes the file broken."""

    def __init__(self, reader: GgufReader, values: Mapping[str, Metadatum]) -> None:
        self._reader = reader
        self._values = values
        self.architecture = self.text("general.architecture") or ""
        prefix = f"{self.architecture}."
        self._own = {key[len(prefix) :]: value for key, value in values.items() if key.startswith(prefix)}
        # Only the first part of a split model says what the model is.
        if not self.architecture and not self.number("split.no"):
            raise reader.broken("does not say its architecture")

    def text(self, key: str) -> str | None:
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key)
        return value

    def number(self, key: str) -> int | None:
        return self._number(self._values.get(key), key)

    def own(self, key: str) -> int | None:
        """A number that belongs to the architecture, e.g. `llama.context_length`."""
        return self._number(self._own.get(key), key)

    def per_layer(self, key: str) -> tuple[int, ...]:
        """A number that holds for all layers, or one for each."""
        value = self._own.get(key)
        if not isinstance(value, tuple):
            number = self._number(value, key)
            return () if number is None else (number,)
        numbers = tuple(int(entry) for entry in value if isinstance(entry, int) and 0 <= entry <= _MAX_NUMBER)
        if len(numbers) != len(value):
            raise self._wrong(key)
        return numbers

    def shape(self) -> dict[str, tuple[int, ...]]:
        return {key: numbers for key in _SHAPE if key in self._own and (numbers := self.per_layer(key))}

    def length(self, key: str) -> int | None:
        value = self._values.get(key)
        return value.length if isinstance(value, SkippedArray) else None

    def fills_in_the_middle(self) -> bool:
        """Whether prefix, suffix and middle have tokens, by number or by the texts that the engine knows."""
        if any(all(self.number(key) is not None for key in keys) for keys in _FILL_KEYS):
            return True
        tokens = self._values.get(_VOCABULARY)
        return isinstance(tokens, SkippedArray) and any(
            tokens.seen.issuperset(FILL_IN_THE_MIDDLE[start : start + 3])
            for start in range(0, len(FILL_IN_THE_MIDDLE), 3)
        )

    def modalities(self) -> tuple[str, ...]:
        clip = self._values if self.architecture in ("clip", "mmproj") else {}
        # Older projectors say nothing; they were all for images.
        silent = not {"clip.has_vision_encoder", "clip.has_audio_encoder"} & clip.keys()
        vision = clip.get("clip.has_vision_encoder") is True or (bool(clip) and silent)
        vision |= self.architecture in VISION_ARCHITECTURES or self.has("vision.")
        return tuple(
            name for name, has in (("vision", vision), ("audio", clip.get("clip.has_audio_encoder") is True)) if has
        )

    def has(self, *prefixes: str) -> bool:
        return any(key.startswith(prefixes) for key in self._own)

    def _number(self, value: Metadatum | None, key: str) -> int | None:
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
            raise self._wrong(key)
        return value

    def _wrong(self, key: str) -> SamovarError:
        return self._reader.broken(f"has an impossible value at '{key}'")


def _header(
    reader: GgufReader, facts: _Facts, version: int, tensor_count: int, parameters: int, tensor_bytes: int
) -> GgufHeader:
    split_count = facts.number("split.count") or 1
    kind = facts.text("general.type") or "model"
    if tensor_count == 0 and split_count == 1:
        raise reader.broken("holds no tensors, so there is no model in it")
    blocks = facts.own("block_count") or 0
    heads = max(facts.per_layer("attention.head_count"), default=0)
    heads_kv = facts.per_layer("attention.head_count_kv") or (heads,)
    if blocks > MAX_LAYERS or len(heads_kv) not in (1, blocks):
        raise reader.broken(f"has {len(heads_kv):,} counts of heads for its {blocks:,} layers")
    embedding = facts.own("embedding_length") or 0
    head_length = embedding // heads if heads else 0
    file_type = facts.number("general.file_type")
    return GgufHeader(
        version=version,
        architecture=facts.architecture,
        kind=kind,
        name=facts.text("general.name"),
        organization=facts.text("general.organization"),
        licence=facts.text("general.license"),
        parameters=parameters,
        quantization=None if file_type is None else FILE_TYPES.get(file_type),
        context_length=facts.own("context_length"),
        block_count=blocks,
        embedding_length=embedding,
        feed_forward_length=max(facts.per_layer("feed_forward_length"), default=0),
        head_count=heads,
        head_counts_kv=heads_kv * blocks if len(heads_kv) == 1 else heads_kv,
        key_length=facts.own("attention.key_length") or head_length,
        value_length=facts.own("attention.value_length") or head_length,
        sliding_window=facts.own("attention.sliding_window") or None,
        recurrent=facts.has("ssm.", "wkv.", "shortconv.", "kda."),
        shape=facts.shape(),
        vocabulary_size=facts.own("vocab_size") or facts.length(_VOCABULARY),
        merge_count=facts.length("tokenizer.ggml.merges") or 0,
        fill_in_the_middle=facts.fills_in_the_middle(),
        modalities=facts.modalities(),
        chat_template=facts.text("tokenizer.chat_template"),
        pooling_type=facts.own("pooling_type"),
        tensor_count=tensor_count,
        tensor_bytes=tensor_bytes,
        file_bytes=reader.size,
        split_count=split_count,
        split_index=facts.number("split.no") or 0,
    )


def _padded(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _text(name: bytes) -> str:
    return name[:80].decode("utf-8", "replace")
