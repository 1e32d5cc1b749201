"""Tiny models with random weights, as GGUF files that llama.cpp loads: one for each kind of memory and of pooling.

path = build("mamba", folder)       # 10 milliseconds, some hundred kB, the same bytes each time
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import gguf

from tests.tiny_models import architectures
from tests.tiny_models.vocabulary import add_bert_vocabulary, add_chat_vocabulary
from tests.tiny_models.weights import Weights

Kind = Literal[
    "llama",  # full attention
    "gemma3",  # sliding window of `architectures.WINDOW` tokens
    "mamba",  # recurrent
    "jamba",  # hybrid: recurrent and full attention
    "lfm2",  # hybrid, whose running state is a short convolution
    "bert-mean",  # embeddings
    "bert-cls",
    "bert-rank",  # scores pairs of texts
    "qwen3-last",  # embeddings of a decoder
]
KINDS: tuple[Kind, ...] = get_args(Kind)
CHAT_KINDS: tuple[Kind, ...] = ("llama", "gemma3", "mamba", "jamba", "lfm2")
"""Those that generate text."""

_SEED = 20
_BUILDERS: dict[Kind, tuple[str, Callable[[gguf.GGUFWriter, Weights, int], None]]] = {
    "llama": ("llama", architectures.llama),
    "gemma3": ("gemma3", architectures.gemma3),
    "mamba": ("mamba", architectures.mamba),
    "jamba": ("jamba", architectures.jamba),
    "lfm2": ("lfm2", architectures.lfm2),
    "bert-mean": ("bert", partial(architectures.bert, pooling=gguf.PoolingType.MEAN)),
    "bert-cls": ("bert", partial(architectures.bert, pooling=gguf.PoolingType.CLS)),
    "bert-rank": ("bert", partial(architectures.bert, pooling=gguf.PoolingType.RANK)),
    "qwen3-last": ("qwen3", architectures.qwen3),
}


def build(kind: Kind, folder: Path, *, fills: bool = False) -> Path:
    """The file of a tiny model in `folder`, made where it is not there yet.

    - fills: one that writes, with the markers for filling in the middle.
    """
    path = folder / f"tiny-{kind}{'-fills' if fills else ''}.gguf"
    if path.exists():
        return path
    architecture, fill = _BUILDERS[kind]
    unfinished = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(unfinished, architecture)
    writer.add_name(f"Tiny {kind}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    vocabulary = add_bert_vocabulary(writer) if architecture == "bert" else add_chat_vocabulary(writer, fills=fills)
    fill(writer, Weights(writer, _SEED), vocabulary)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return unfinished.replace(path)
