"""Sizes of caches as llama.cpp allocates them, for the architectures that people run."""

import re
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.engine.cache_size import cache_bytes, padded, sequences, windowed_layers
from samovar_agent.engine.interface import LoadOptions
from samovar_agent.engine.worker.context import Context
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.model import Model
from samovar_agent.models.gguf import read_header
from tests.samovar_agent.engine.conftest import header
from tests.tiny_models.build import CHAT_KINDS, Kind, build

TOKEN = 2 * (16 + 16) * 2
"""Bytes of a token in one layer of the invented model: heads, key and value, 2 bytes."""


def made(architecture: str, layers: int = 12, **changes: Any) -> Any:
    return header(architecture=architecture, block_count=layers, head_counts_kv=(2,) * layers, **changes)


def test_full_attention_keeps_every_token_in_every_layer() -> None:
    assert cache_bytes(header(), 4096) == 2 * TOKEN * 4096
    assert cache_bytes(header(head_counts_kv=(1, 3)), 4096) == 2 * TOKEN * 4096
    assert cache_bytes(header(), 1) == cache_bytes(header(), 256) < cache_bytes(header(), 257)
    assert sequences(header()) == 64


@pytest.mark.parametrize(
    ("architecture", "windowed"),
    [
        ("gemma2", {0, 2, 4, 6, 8, 10}),
        ("gemma3", {0, 1, 2, 3, 4, 6, 7, 8, 9, 10}),
        ("gpt-oss", {0, 2, 4, 6, 8, 10}),
        ("cohere2", {0, 1, 2, 4, 5, 6, 8, 9, 10}),
        ("cohere2moe", {1, 2, 3, 5, 6, 7, 9, 10, 11}),
        ("llama4", {0, 1, 2, 4, 5, 6, 8, 9, 10}),
        ("phi3", set()),
        ("qwen2", set()),
        ("llama", set()),
        ("exaone4", set()),
    ],
)
def test_which_layers_have_a_window(architecture: str, windowed: set[int]) -> None:
    model = made(architecture, sliding_window=512)
    assert windowed_layers(model) == windowed
    assert sequences(model) == (8 if windowed else 64)
    length = 8192 if architecture == "llama4" else 512
    cells = min(32768, padded(length * 8 + 512))
    assert cache_bytes(model, 32768) == TOKEN * (len(windowed) * cells + (12 - len(windowed)) * 32768)


def test_a_header_may_say_which_layers_have_a_window() -> None:
    listed = {"attention.sliding_window_pattern": (1, 0) * 6}
    assert windowed_layers(made("gemma4", sliding_window=512, shape=listed)) == {0, 2, 4, 6, 8, 10}
    period = {"attention.sliding_window_pattern": (4,)}
    assert windowed_layers(made("gemma3", sliding_window=512, shape=period)) == {0, 1, 2, 4, 5, 6, 8, 9, 10}


def test_windows_that_are_switched_off() -> None:
    assert not windowed_layers(made("llama4", sliding_window=0))
    assert not windowed_layers(made("olmo2", sliding_window=None))
    assert windowed_layers(made("gemma2", sliding_window=None)), "its window is known without the header"


def test_layers_that_share_keep_nothing_of_their_own() -> None:
    shape = {"attention.sliding_window_pattern": (0,) * 12, "attention.shared_kv_layers": (4,)}
    assert cache_bytes(made("gemma4", shape=shape), 4096) == 8 * TOKEN * 4096
    heads = {"attention.sliding_window_pattern": (1,) * 12, "attention.key_length_swa": (8,)}
    smaller = made("gemma4", sliding_window=4096, shape=heads)
    assert cache_bytes(smaller, 4096) == 12 * 2 * (8 + 16) * 2 * 4096


def test_latent_attention_keeps_one_vector() -> None:
    shape = {"attention.key_length_mla": (192,), "attention.value_length_mla": (128,)}
    model = header(head_counts_kv=(1, 1), key_length=576, value_length=512, shape=shape, architecture="deepseek2")
    assert cache_bytes(model, 4096) == 2 * 576 * 2 * 4096


def test_states_take_the_same_however_long_the_context_is() -> None:
    shape = {"ssm.conv_kernel": (4,), "ssm.inner_size": (128,), "ssm.state_size": (16,)}
    mamba = header(architecture="mamba", head_counts_kv=(0, 0), recurrent=True, shape=shape)
    assert cache_bytes(mamba, 256) == cache_bytes(mamba, 32768) == 2 * (3 * 128 + 16 * 128) * 4 * 8
    rwkv = header(architecture="rwkv7", head_counts_kv=(0, 0), recurrent=True, shape={"wkv.head_size": (64,)})
    assert cache_bytes(rwkv, 256) == 2 * 64 * (2 + 64) * 4 * 8
    assert sequences(mamba) == sequences(rwkv) == 8


def test_hybrids_have_both() -> None:
    states = {"ssm.conv_kernel": (4,), "ssm.inner_size": (128,), "ssm.state_size": (16,), "ssm.group_count": (2,)}
    state = (3 * (128 + 2 * 2 * 16) + 16 * 128) * 4 * 8
    jamba = header(architecture="granitehybrid", head_counts_kv=(0, 2), recurrent=True, shape=states)
    assert cache_bytes(jamba, 4096) == state + TOKEN * 4096
    qwen = made("qwen3next", recurrent=True, shape=states)
    assert cache_bytes(qwen, 4096) == 9 * state + 3 * TOKEN * 4096
    falcon = header(architecture="falcon-h1", recurrent=True, shape=states)
    assert cache_bytes(falcon, 4096) == 2 * (state + TOKEN * 4096)
    lfm = header(architecture="lfm2", head_counts_kv=(0, 2), recurrent=True, shape={"shortconv.l_cache": (3,)})
    assert cache_bytes(lfm, 4096) == 64 * 2 * 4 * 8 + TOKEN * 4096
    kimi = header(architecture="kimi-linear", head_counts_kv=(0, 2), recurrent=True, shape={"kda.head_dim": (16,)})
    assert cache_bytes(kimi, 4096) == 4 * 16 * (9 + 16) * 4 * 8 + TOKEN * 4096


def test_encoders_keep_nothing() -> None:
    assert cache_bytes(header(architecture="bert"), 512) == 0


@pytest.mark.parametrize("kind", CHAT_KINDS)
@pytest.mark.parametrize("context_length", [300, 2048])
def test_llama_cpp_allocates_just_that(
    kind: Kind, context_length: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = build(kind, tmp_path)
    model = Model(str(path), Interrupt(), lambda progress: None)
    capfd.readouterr()
    context = Context(model, LoadOptions(path=str(path), context_length=context_length, threads=1), Interrupt())
    told = re.findall(r"(?:KV|RS) buffer size = +([\d.]+) MiB", capfd.readouterr().err)
    context.close()
    model.close()
    found = cache_bytes(read_header(path), context_length)
    assert found == pytest.approx(sum(map(float, told)) * 2**20, abs=0.01 * len(told) * 2**20)
    assert found > 0
