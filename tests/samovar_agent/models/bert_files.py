"""A tiny BERT with random weights as its publisher would give it, and what it computes, in numpy.

bert = TinyBert(folder)                 # config.json, tokenizer.json, model.safetensors ...
bert.vector([2, 10, 3])                 # the vector of three tokens, of length 1
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

MARKERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "tea", "of", "samovar", "##pot", "tea##", "é", "!", "#"]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
TOKENS = [*MARKERS, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
NUMBERS = {token: number for number, token in enumerate(TOKENS)}
LAYERS, HEADS, POSITIONS = 2, 4, 40


def write_safetensors(
    path: Path, tensors: Mapping[str, npt.NDArray[Any]], types: Mapping[str, str] | None = None
) -> Path:
    """Arrays as a file, one after the other in their order. - types: by names; others are as numpy says."""
    usual = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64", "uint16": "U16"}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, array in tensors.items():
        kind = (types or {}).get(name, usual[str(array.dtype)])
        header[name] = claim(kind, array.shape, position, position + array.nbytes)
        position += array.nbytes
    return write_raw(path, header, b"".join(array.tobytes() for array in tensors.values()))


def claim(kind: str, shape: Sequence[int], first: int, end: int) -> dict[str, object]:
    """What a header says of one tensor."""
    return {"dtype": kind, "shape": list(shape), "data_offsets": [first, end]}


def write_raw(path: Path, header: Mapping[str, object] | bytes, data: bytes, *, length: int | None = None) -> Path:
    """A file whose header may lie. - length: that the file claims for its header; None is the true one."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(encoded) if length is None else length).to_bytes(8, "little") + encoded + data)
    return path


class TinyBert:
    """The files in a folder. - config: what `config.json` says. - tensors: by their published names."""

    def __init__(self, folder: Path, *, width: int = 64, seed: int = 5, rows: int = len(TOKENS)) -> None:
        self.folder = folder
        self.width = width
        self.config: dict[str, object] = {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "hidden_act": "gelu",
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": POSITIONS,
            "num_attention_heads": HEADS,
            "num_hidden_layers": LAYERS,
            "position_embedding_type": "absolute",
            "type_vocab_size": 2,
            "vocab_size": rows,
        }
        self.tokenizer: dict[str, Any] = {
            "version": "1.0",
            "added_tokens": [{"id": NUMBERS[name], "content": name, "special": True} for name in MARKERS],
            "normalizer": {
                "type": "BertNormalizer",
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": True,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "model": {"type": "WordPiece", "continuing_subword_prefix": "##", "vocab": dict(NUMBERS)},
        }
        self.tensors: dict[str, npt.NDArray[Any]] = _weights(width, rows, seed)
        folder.mkdir(parents=True, exist_ok=True)
        self.write()

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    def write(self) -> None:
        """All files as they are now."""
        self.write_json("config.json", self.config)
        self.write_json("tokenizer.json", self.tokenizer)
        self.write_json("tokenizer_config.json", {"do_lower_case": True, "cls_token": {"content": "[CLS]"}})
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        self.write_json(
            "modules.json",
            [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in modules],
        )
        self.write_json("1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
        (self.folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8", newline="\n")
        write_safetensors(self.weights, self.tensors)

    def write_json(self, name: str, content: object) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))

    def vector(self, tokens: Sequence[int], pooling: str = "mean") -> Array:
        """The vector of tokens, computed step by step with the weights as they were published."""
        tensor = {name: np.asarray(array, dtype=np.float32) for name, array in self.tensors.items()}
        state: Array = tensor["embeddings.word_embeddings.weight"][list(tokens)]
        state = state + tensor["embeddings.position_embeddings.weight"][: len(tokens)]
        state = state + tensor["embeddings.token_type_embeddings.weight"][0]
        state = _normed(state, tensor, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            block = f"encoder.layer.{layer}"
            query, key, value = (
                _heads(_linear(state, tensor, f"{block}.attention.self.{name}")) for name in ("query", "key", "value")
            )
            scores = query @ key.transpose(0, 2, 1) / math.sqrt(self.width / HEADS)
            attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
            attention /= attention.sum(axis=-1, keepdims=True)
            mixed = (attention @ value).transpose(1, 0, 2).reshape(len(tokens), self.width)
            mixed = _linear(mixed, tensor, f"{block}.attention.output.dense")
            state = _normed(state + mixed, tensor, f"{block}.attention.output.LayerNorm")
            inner = _linear(state, tensor, f"{block}.intermediate.dense")
            inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
            state = _normed(
                state + _linear(inner, tensor, f"{block}.output.dense"), tensor, f"{block}.output.LayerNorm"
            )
        pooled: Array = state.mean(axis=0) if pooling == "mean" else state[0]
        return np.asarray(pooled / np.linalg.norm(pooled), dtype=np.float32)


def _weights(width: int, rows: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    # Its raw numbers are the same in every version of numpy and on every machine, and so is what is made of them here.
    generator = np.random.PCG64(seed)

    def matrix(outputs: int, inputs: int, gain: float) -> Array:
        even = (generator.random_raw(outputs * inputs) >> np.uint64(40)) / 2**23 - 1.0
        return np.asarray(even.reshape(outputs, inputs) * (gain * math.sqrt(3)), dtype=np.float32)

    def small(size: int, mean: float = 0.0) -> Array:
        return np.asarray(mean + matrix(1, size, 0.1)[0], dtype=np.float32)

    tensors: dict[str, npt.NDArray[Any]] = {
        "embeddings.position_ids": np.arange(POSITIONS, dtype=np.int64).reshape(1, -1),
        "embeddings.LayerNorm.bias": small(width),
        "embeddings.LayerNorm.weight": small(width, 1.0),
        "embeddings.position_embeddings.weight": matrix(POSITIONS, width, 0.3),
        "embeddings.token_type_embeddings.weight": matrix(2, width, 0.3),
        "embeddings.word_embeddings.weight": matrix(rows, width, 1.0),
    }
    for layer in range(LAYERS):
        for name, outputs, inputs in (
            ("attention.output.dense", width, width),
            ("attention.self.key", width, width),
            ("attention.self.query", width, width),
            ("attention.self.value", width, width),
            ("intermediate.dense", 2 * width, width),
            ("output.dense", width, 2 * width),
        ):
            tensors[f"encoder.layer.{layer}.{name}.bias"] = small(outputs)
            tensors[f"encoder.layer.{layer}.{name}.weight"] = matrix(outputs, inputs, 1.5 / math.sqrt(inputs))
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            tensors[f"encoder.layer.{layer}.{name}.bias"] = small(width)
            tensors[f"encoder.layer.{layer}.{name}.weight"] = small(width, 1.0)
    tensors["pooler.dense.bias"] = small(width)
    tensors["pooler.dense.weight"] = matrix(width, width, 0.1)
    return tensors


def _linear(state: Array, tensor: Mapping[str, Array], name: str) -> Array:
    return np.asarray(state @ tensor[f"{name}.weight"].T + tensor[f"{name}.bias"], dtype=np.float32)


def _heads(state: Array) -> Array:
    return state.reshape(len(state), HEADS, -1).transpose(1, 0, 2)


def _normed(state: Array, tensor: Mapping[str, Array], name: str) -> Array:
    centred = state - state.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    return np.asarray(centred / spread * tensor[f"{name}.weight"] + tensor[f"{name}.bias"], dtype=np.float32)
