"""Makes a GGUF file of an encoder that was published as safetensors.

    convert_bert(folder / "model.safetensors", folder, target, name="all-MiniLM-L6-v2", publisher="...", report=report)

The same weights give the same bytes on every machine, so that the file has one digest. Matrices become Q8_0:
all-MiniLM-L6-v2 has 25 MB then, and a cosine of at least 0.9993 to the published vectors (F16: 46 MB, 0.999997).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from samovar_agent.models.bert import BertConfig, BertTensor, Pooling, read_config, read_pooling, tensors
from samovar_agent.models.files import PARTIAL
from samovar_agent.models.published import broken
from samovar_agent.models.safetensors import Entry, Safetensors, open_safetensors
from samovar_agent.models.wordpiece import Vocabulary, read_vocabulary
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    import gguf
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

Report = Callable[[int, int], None]
"""Told how many bytes of the weights are done, and of how many; may raise to stop."""

QUANTIZATION = "Q8_0"
_CHUNK_BYTES = 4 * 1024 * 1024
_LARGEST = 65504.0
"""Of the numbers that 16 bits can hold; a trained model has none beyond 100."""


def convert_bert(weights: Path, folder: Path, target: Path, *, name: str, publisher: str, report: Report) -> None:
    """Write the model to `target`, at once or not at all; blocks for about a second, so call it in a thread.

    - weights: safetensors. - folder: has `config.json`, `tokenizer.json` or `vocab.txt`, and, where the publisher gave
    them, `tokenizer_config.json`, `modules.json` and `1_Pooling/config.json`. - target: its folder exists.
    - name, publisher: written into the file.
    Raises `model_file_missing`, `model_file_broken` and `model_unsupported` with what is wrong, `disk_full`, and what
    `report` raises. Memory is bounded, whatever the size of the model.
    """
    partial = target.with_name(target.name + PARTIAL)
    with open_safetensors(weights) as source:
        config = read_config(folder)
        pooling = read_pooling(folder)
        vocabulary = read_vocabulary(folder, config.vocab_size)
        plan = tensors(source, config)
        try:
            with closing(_writer(partial)) as writer:
                _add_facts(writer, config, pooling, name, publisher)
                _add_vocabulary(writer, vocabulary, config)
                _write(writer, source, plan, report)
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as error:
            raise SamovarError(
                FailureCode.DISK_FULL,
                f"{target} could not be written: {error.strerror or error}.",
                hint="Free some room or correct the folder's permissions, and try again.",
            ) from error
        finally:
            partial.unlink(missing_ok=True)


def _writer(path: Path) -> gguf.GGUFWriter:
    import gguf  # a third of a second, with numpy: only where a model is converted

    logging.getLogger("gguf").setLevel(logging.WARNING)  # it tells of every file that it writes
    return gguf.GGUFWriter(path, "bert")


def _add_facts(writer: gguf.GGUFWriter, config: BertConfig, pooling: Pooling, name: str, publisher: str) -> None:
    import gguf

    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_organization(publisher)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN if pooling == "mean" else gguf.PoolingType.CLS)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary, config: BertConfig) -> None:
    import gguf

    kinds = {
        "normal": gguf.TokenType.NORMAL,
        "control": gguf.TokenType.CONTROL,
        "unused": gguf.TokenType.UNUSED,
    }
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types([kinds[kind] for kind in vocabulary.kinds])
    writer.add_token_type_count(config.type_vocab_size)
    writer.add_pad_token_id(vocabulary.pad)
    writer.add_unk_token_id(vocabulary.unk)
    writer.add_bos_token_id(vocabulary.cls)
    writer.add_eos_token_id(vocabulary.sep)
    writer.add_sep_token_id(vocabulary.sep)
    writer.add_mask_token_id(vocabulary.mask)
    # llama.cpp puts BERT's [CLS] before a text and [SEP] after it by itself; other readers go by these.
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    writer.add_add_sep_token(False)
    writer.add_bool("tokenizer.ggml.normalizer.lowercase", vocabulary.lowercase)
    if vocabulary.strip_accents is not None:
        writer.add_bool("tokenizer.ggml.normalizer.strip_accents", vocabulary.strip_accents)


def _write(writer: gguf.GGUFWriter, source: Safetensors, plan: list[BertTensor], report: Report) -> None:
    """Header and tensors, a few megabytes at a time: the writer itself would have each tensor in memory."""
    import gguf
    import numpy as np

    sizes = {tensor.name: _written_bytes(tensor) for tensor in plan}
    for tensor in plan:
        shape, length = tensor.entry.shape, sizes[tensor.name]
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), length, raw_dtype=_written_type(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout
    file = writer.fout[0]
    writer.write_padding(file, file.tell())
    done, total = 0, sum(tensor.entry.length for tensor in plan)
    for tensor in plan:
        kind = _written_type(tensor)
        for values, length in _rows(source, tensor.entry):
            file.write(gguf.quantize(values, kind).tobytes())
            done += length
            report(done, total)
        writer.write_padding(file, sizes[tensor.name])


def _rows(source: Safetensors, entry: Entry) -> Iterator[tuple[Floats, int]]:
    """Some rows of a tensor at a time, and how many bytes of the file they were."""
    import numpy as np

    width = entry.shape[-1]
    row_bytes = entry.length // (entry.shape[0] if len(entry.shape) == 2 else 1)
    step = row_bytes * max(1, _CHUNK_BYTES // row_bytes)
    for start in range(0, entry.length, step):
        data = source.read(entry, start, min(step, entry.length - start))
        if entry.dtype == "BF16":  # the upper half of a float
            values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        else:
            values = np.frombuffer(data, "<f2" if entry.dtype == "F16" else "<f4").astype("<f4", copy=False)
        if not np.abs(values).max() <= _LARGEST:  # also where it is no number
            raise broken(source.path, f"has numbers in its tensor '{entry.name}' that no trained model has")
        yield values.reshape(-1, width), len(data)


def _written_type(tensor: BertTensor) -> gguf.GGMLQuantizationType:
    import gguf

    kind = gguf.GGMLQuantizationType
    if not tensor.quantized:
        return kind.F32
    # Q8_0 is made of blocks of 32 numbers.
    return kind.F16 if tensor.entry.shape[-1] % 32 else kind.Q8_0


def _written_bytes(tensor: BertTensor) -> int:
    import gguf

    elements, size = gguf.GGML_QUANT_SIZES[_written_type(tensor)]
    return prod(tensor.entry.shape) // elements * size
