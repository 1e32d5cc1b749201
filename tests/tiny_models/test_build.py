"""Every tiny model loads, and what it computes is finite, its own, and depends on all of the prompt."""

from __future__ import annotations

import ctypes
import math
import statistics
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import gguf
import pytest

from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.library import low_level
from samovar_agent.engine.worker.model import Model
from samovar_agent.models.gguf import read_header
from tests.samovar_agent.engine.worker.reference import Reference
from tests.tiny_models.architectures import EMBEDDING, WINDOW
from tests.tiny_models.build import CHAT_KINDS, KINDS, Kind, build

TinyModel = Callable[[Kind], Path]
PROMPT = [300 + 7 * index % 120 for index in range(3 * WINDOW)]


@pytest.fixture
def load(tiny_model: TinyModel) -> Generator[Callable[[Kind], Model]]:
    loaded: list[Model] = []

    def one(kind: Kind) -> Model:
        loaded.append(Model(str(tiny_model(kind)), Interrupt(), lambda _: None))
        return loaded[-1]

    yield one
    for model in loaded:
        model.close()
    if loaded:
        # It holds no reference to a model's callback, which goes with the model.
        low_level().llama_log_set(low_level().llama_log_callback(0), None)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_small_and_the_same_each_time(kind: Kind, tiny_model: TinyModel, tmp_path: Path) -> None:
    data = tiny_model(kind).read_bytes()
    assert build(kind, tmp_path).read_bytes() == data
    assert len(data) < 1_100_000
    assert [path.name for path in tmp_path.iterdir()] == [f"tiny-{kind}.gguf"]


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_reader_takes_its_header(kind: Kind, tiny_model: TinyModel) -> None:
    assert read_header(tiny_model(kind)).architecture == kind.partition("-")[0]


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_it_has_the_memory_that_it_is_for(kind: Kind, load: Callable[[Kind], Model]) -> None:
    model = load(kind)
    assert model.recurrent == (kind in ("mamba", "jamba", "lfm2"))
    assert model.window == (WINDOW if kind == "gemma3" else 0)


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_it_writes_any_text_and_knows_chat_markers(kind: Kind, load: Callable[[Kind], Model]) -> None:
    model = load(kind)
    tokens = model.tokenize("the ünïcode 🫖\n", special=False)
    assert b"".join(model.piece(token) for token in tokens).decode() == " the ünïcode 🫖\n"
    (begin,) = model.tokenize("<|im_start|>", special=True)
    assert model.piece(begin) == b""
    assert begin not in model.tokenize("<|im_start|>", special=False)
    assert [model.is_end(token) for token in model.tokenize("<|im_end|>", special=True)] == [True]
    assert "<|im_start|>" in (model.chat_template or "")


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_what_it_says_depends_on_everything_before(kind: Kind, tiny_model: TinyModel) -> None:
    with Reference(tiny_model(kind), threads=1) as reference:
        scores = reference.scores(PROMPT)
        assert all(map(math.isfinite, scores))
        assert statistics.pstdev(scores) > 2
        for changed in (0, len(PROMPT) // 2, len(PROMPT) - 3):
            other = [*PROMPT]
            other[changed] += 1
            difference = max(abs(one - two) for one, two in zip(scores, reference.scores(other), strict=True))
            assert difference > 0.3, f"token {changed} has no influence"  # rounding is below 0.1
        continuation = reference.greedy(PROMPT, 24)
    assert len(set(continuation.tokens)) > 8  # it does not repeat itself
    assert continuation.tokens[0] == max(range(len(scores)), key=scores.__getitem__)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in CHAT_KINDS])
def test_it_pools(kind: Kind, load: Callable[[Kind], Model]) -> None:
    model = load(kind)
    wanted = {"mean": "MEAN", "cls": "CLS", "rank": "RANK", "last": "LAST"}[kind.partition("-")[2]]
    one, other = (pooled(model, gguf.PoolingType[wanted], [2, *range(100, 100 + count), 3]) for count in (5, 6))
    assert all(map(math.isfinite, one))
    assert len(one) == len(other) == (1 if kind == "bert-rank" else EMBEDDING)
    assert one != other


def pooled(model: Model, pooling: gguf.PoolingType, tokens: list[int]) -> list[float]:
    """What comes out for one text, pooled as the file says, which must be `pooling`."""
    llama: Any = low_level()
    parameters = llama.llama_context_default_params()
    parameters.n_ctx, parameters.embeddings, parameters.n_threads = 256, True, 1
    context = llama.llama_init_from_model(model.pointer, parameters)
    try:
        assert llama.llama_pooling_type(context) == pooling
        array = (llama.llama_token * len(tokens))(*tokens)
        assert llama.llama_decode(context, llama.llama_batch_get_one(array, len(tokens))) == 0
        size = 1 if pooling == gguf.PoolingType.RANK else EMBEDDING
        values = llama.llama_get_embeddings_seq(context, 0)
        return list((ctypes.c_float * size).from_address(ctypes.addressof(values.contents)))
    finally:
        llama.llama_free(context)
