"""A published encoder becomes a GGUF file that gives the same vectors."""

from __future__ import annotations

import array
import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker.embedder import Embedder
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.model import Model
from samovar_agent.models import conversion
from samovar_agent.models.conversion import convert_bert
from samovar_agent.models.gguf import read_header
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.bert_files import NUMBERS, POSITIONS, Array, TinyBert, write_safetensors

TEXT = "The TEAPOTS of thé samovar! zz\u4e00"
DIGEST = "3e25fab238c1f42da946daee13974bfab124c17927bdf2467364e4bcb25b7274"
WORDS = ["[CLS]", "the", "tea", "##pot", "##s", "of", "the", "samovar", "!", "z", "##z", "[UNK]", "[SEP]"]


def convert(bert: TinyBert, target: Path, report: Callable[[int, int], None] = lambda *_: None) -> Path:
    convert_bert(bert.weights, bert.folder, target, name="Tiny", publisher="somebody", report=report)
    return target


def vectors(path: Path, texts: list[str | list[int]]) -> list[Array]:
    """As the engine computes them."""
    model = Model(str(path), Interrupt(), lambda _: None)
    embedder = Embedder(model, LoadOptions(path=str(path), context_length=512, threads=1), Interrupt())
    try:
        embedded = embedder.embed(texts)
        numbers = array.array("f", embedded.vectors)
        return list(np.array(numbers, dtype=np.float32).reshape(-1, embedded.dimensions))
    finally:
        embedder.close()
        model.close()


def cosine(one: Array, other: Array) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.fixture
def bert(tmp_path: Path) -> TinyBert:
    return TinyBert(tmp_path / "published")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "tiny.gguf"


def test_the_header_says_what_it_is(bert: TinyBert, target: Path) -> None:
    header = read_header(convert(bert, target))
    assert (header.architecture, header.name, header.organization) == ("bert", "Tiny", "somebody")
    assert (header.capabilities, header.quantization) == (["embedding"], "Q8_0")
    assert (header.context_length, header.embedding_length, header.vocabulary_size) == (POSITIONS, 64, len(NUMBERS))
    assert os.listdir(target.parent) == [target.name]


# 48 is no multiple of 32, the block of Q8_0: such matrices are kept in 16 bits.
@pytest.mark.parametrize(("width", "least"), [(64, 0.9995), (48, 0.9999)])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_engine_computes_the_published_vectors(
    tmp_path: Path, target: Path, width: int, least: float, pooling: str
) -> None:
    bert = TinyBert(tmp_path / "published", width=width)
    bert.write_json(
        "1_Pooling/config.json", {f"pooling_mode_{pooling}{'_token' if pooling == 'cls' else '_tokens'}": True}
    )
    texts: list[list[int]] = [[NUMBERS[word] for word in WORDS], [2, 9, 3], list(range(5, 5 + POSITIONS))]
    found = vectors(convert(bert, target), [TEXT, *texts])
    expected = [bert.vector(tokens, pooling) for tokens in (texts[0], *texts)]
    for one, other in zip(found, expected, strict=True):
        assert cosine(one, other) > least
    assert cosine(expected[1], expected[2]) < 0.9


def test_the_same_weights_give_the_same_bytes(bert: TinyBert, target: Path) -> None:
    first = convert(bert, target).read_bytes()
    write_safetensors(bert.weights, dict(reversed(bert.tensors.items())))
    assert convert(bert, target).read_bytes() == first
    # Another digest would mean that the next download of a model is not the file that people already have.
    assert hashlib.sha256(first).hexdigest() == DIGEST


def test_work_in_small_pieces_gives_the_same_bytes(
    bert: TinyBert, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = convert(bert, target).read_bytes()
    monkeypatch.setattr(conversion, "_CHUNK_BYTES", 1000)
    told: list[tuple[int, int]] = []
    convert(bert, target, lambda done, total: told.append((done, total)))
    assert target.read_bytes() == whole
    assert len(told) > 100
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_weights_of_16_bits(bert: TinyBert, target: Path, kind: str) -> None:
    name = "embeddings.position_embeddings.weight"
    values = bert.tensors[name]
    if kind == "F16":
        stored: Any = values.astype(np.float16)
        expected = stored.astype(np.float32)
    else:
        stored = (values.view(np.uint32) >> 16).astype(np.uint16)
        expected = (stored.astype(np.uint32) << 16).view(np.float32)
    write_safetensors(bert.weights, bert.tensors | {name: stored}, {name: kind})
    found = {tensor.name: tensor.data for tensor in gguf.GGUFReader(convert(bert, target)).tensors}
    assert np.array_equal(found["position_embd.weight"], expected)


def test_text_is_normalised_as_published(bert: TinyBert, target: Path) -> None:
    bert.tokenizer["normalizer"].update(lowercase=True, strip_accents=False)
    bert.write()
    (found,) = vectors(convert(bert, target), ["TEA é"])
    assert cosine(found, bert.vector([2, NUMBERS["tea"], NUMBERS["é"], 3])) > 0.999


def test_who_is_told_may_stop_it(bert: TinyBert, target: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        convert(bert, target, stop)
    assert os.listdir(target.parent) == []


def refused(bert: TinyBert, target: Path) -> SamovarError:
    target.write_text("the old one")
    with pytest.raises(SamovarError) as caught:
        convert(bert, target)
    assert os.listdir(target.parent) == [target.name]
    assert target.read_text() == "the old one"
    return caught.value


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_numbers_that_are_none(bert: TinyBert, target: Path, value: float) -> None:
    bert.tensors["encoder.layer.1.output.dense.weight"][3, 5] = value
    bert.write()
    error = refused(bert, target)
    assert error.code == FailureCode.MODEL_FILE_BROKEN
    assert "encoder.layer.1.output.dense.weight" in error.failure.message


def test_a_truncated_file_leaves_nothing(bert: TinyBert, target: Path) -> None:
    os.truncate(bert.weights, bert.weights.stat().st_size - 1)
    assert refused(bert, target).code == FailureCode.MODEL_FILE_BROKEN


def test_a_missing_vocabulary_leaves_nothing(bert: TinyBert, target: Path) -> None:
    (bert.folder / "tokenizer.json").unlink()
    (bert.folder / "vocab.txt").unlink()
    assert refused(bert, target).code == FailureCode.MODEL_FILE_MISSING


def test_a_full_disk_leaves_nothing(bert: TinyBert, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    error = refused(bert, target)
    assert error.code == FailureCode.DISK_FULL
    assert os.strerror(errno.ENOSPC) in error.failure.message
