"""Writes small GGUF files, sound ones and others.

write_gguf(path, {"general.architecture": "llama"}, [("output.weight", (64, 32), F32)])
write_gguf(path, llama(), [("output.weight", (2**18, 2**20), F16)])     # 500 GB long, takes no room (sparse)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

F32, F16, Q4_0, Q4_K = 0, 1, 2, 12
BLOCKS = {F32: (1, 4), F16: (1, 2), Q4_0: (32, 18), Q4_K: (256, 144)}
CHAT_TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"

Tensor = tuple[str, tuple[int, ...], int]
"""(name, dimensions, type)"""

SMALL_TENSORS: list[Tensor] = [("token_embd.weight", (64, 32), F32), ("output.weight", (64, 32), F16)]


def llama(**overrides: object) -> dict[str, object]:
    """Metadata of a small llama; a keyword replaces a value (`context_length=…`) and None leaves it out."""
    short = {
        "block_count": "llama.block_count",
        "context_length": "llama.context_length",
        "embedding_length": "llama.embedding_length",
        "feed_forward_length": "llama.feed_forward_length",
        "head_count": "llama.attention.head_count",
        "head_count_kv": "llama.attention.head_count_kv",
        "file_type": "general.file_type",
        "name": "general.name",
        "chat_template": "tokenizer.chat_template",
        "tokens": "tokenizer.ggml.tokens",
        "architecture": "general.architecture",
    }
    metadata: dict[str, object] = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.file_type": 1,
        "llama.block_count": 2,
        "llama.context_length": 512,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 128,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": ["<s>", "</s>", "a", "b"],
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }
    metadata |= {short.get(name, name): value for name, value in overrides.items()}
    return {key: value for key, value in metadata.items() if value is not None}


def write_gguf(
    path: Path,
    metadata: Mapping[str, object] | None = None,
    tensors: Sequence[Tensor] = SMALL_TENSORS,
    *,
    version: int = 3,
    alignment: int = 32,
    cut: int = 0,
) -> Path:
    """Write a GGUF file with zeros for weights. The zeros are a hole, so a file of any size takes no room.

    - metadata: str, bool, int, float, or lists of one of them; None means `llama()`.
    - cut: bytes to leave out at the end, for a truncated file.
    """
    header = encode_header(llama() if metadata is None else metadata, tensors, version=version, alignment=alignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = 0
    for _, dimensions, kind in tensors:
        data = pad(data, alignment) + tensor_bytes(dimensions, kind)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(pad(len(header), alignment) + data - cut)
    return path


def encode_header(
    metadata: Mapping[str, object], tensors: Sequence[Tensor], *, version: int = 3, alignment: int = 32
) -> bytes:
    if alignment != 32:
        metadata = {**metadata, "general.alignment": alignment}
    parts = [b"GGUF", struct.pack("<IQQ", version, len(tensors), len(metadata))]
    for key, value in metadata.items():
        parts += [text(key), typed(value)]
    offset = 0
    for name, dimensions, kind in tensors:
        parts += [text(name), struct.pack("<I", len(dimensions)), struct.pack(f"<{len(dimensions)}Q", *dimensions)]
        parts.append(struct.pack("<IQ", kind, offset))
        offset = pad(offset + tensor_bytes(dimensions, kind), alignment)
    return b"".join(parts)


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def typed(value: object) -> bytes:
    kind = kind_of(value)
    if isinstance(value, list):
        item = kind_of(value[0]) if value else 4
        return struct.pack("<IIQ", 9, item, len(value)) + b"".join(raw(entry, item) for entry in value)
    return struct.pack("<I", kind) + raw(value, kind)


def kind_of(value: object) -> int:
    match value:
        case bool():
            return 7
        case int():
            return 5 if value < 0 else 4 if value < 2**32 else 10
        case float():
            return 6
        case str() | bytes():
            return 8
        case list():
            return 9
        case _:
            raise TypeError(f"{value!r} has no type in GGUF")


def raw(value: object, kind: int) -> bytes:
    if isinstance(value, str | bytes):
        return text(value)
    return struct.pack({4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}[kind], value)


def tensor_bytes(dimensions: tuple[int, ...], kind: int) -> int:
    elements = 1
    for dimension in dimensions:
        elements *= dimension
    block_elements, block_bytes = BLOCKS[kind]
    return elements // block_elements * block_bytes


def pad(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
