from typing import Any

import msgspec
import pytest

from samovar_agent.http.ollama.options import Options
from samovar_agent.http.openai.without_effect import HEADER
from samovar_protocol import SamovarError
from samovar_protocol.values import Sampling


def sampling(**values: Any) -> Sampling:
    return msgspec.convert(values, Options).to_sampling()


def test_what_chooses_tokens_is_honoured() -> None:
    found = sampling(
        temperature=0.5, top_k=7, top_p=0.8, min_p=0.1, typical_p=0.7, repeat_last_n=33, repeat_penalty=1.2,
        presence_penalty=1.5, frequency_penalty=1.0, seed=42, num_predict=100, stop=["\n", "user:"],
    )  # fmt: skip
    assert found == Sampling(
        temperature=0.5, top_k=7, top_p=0.8, min_p=0.1, typical_p=0.7, repeat_last_n=33, repeat_penalty=1.2,
        presence_penalty=1.5, frequency_penalty=1.0, seed=42, max_tokens=100, stop=["\n", "user:"],
    )  # fmt: skip


def test_null_and_nothing_are_the_same() -> None:
    names = Options.__struct_fields__
    assert sampling(**dict.fromkeys(names)) == sampling() == Sampling()


def test_numbers_with_a_meaning_of_their_own() -> None:
    for endless in (0, -1, -2):
        assert sampling(num_predict=endless).max_tokens is None
    assert sampling(seed=-1).seed is None
    assert sampling(seed=0).seed == 0
    assert sampling(seed=2**40).seed == 2**40 % 0xFFFFFFFF
    assert sampling(top_k=-1).top_k == 0
    assert sampling(stop="END").stop == ["END"]


def test_what_asks_for_what_is_done_anyway_is_harmless() -> None:
    harmless: dict[str, Any] = {
        "mirostat": 0, "mirostat_tau": 0.8, "mirostat_eta": 0.6, "tfs_z": 1.0, "penalize_newline": True,
        "numa": False, "num_batch": 512, "num_gpu": -1, "main_gpu": 0, "num_thread": 0, "low_vram": False,
        "f16_kv": True, "logits_all": False, "vocab_only": False, "embedding_only": False, "use_mmap": True,
        "use_mlock": False,
    }  # fmt: skip
    assert sampling(**harmless) == Sampling()
    assert msgspec.convert(harmless, Options).to_headers() == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("numa", True), ("num_batch", 2), ("num_gpu", 99), ("main_gpu", 1), ("num_thread", 8), ("low_vram", True),
        ("f16_kv", False), ("use_mmap", False), ("use_mlock", True), ("num_keep", 24),
    ],
)  # fmt: skip
def test_how_to_compute_has_no_effect_and_is_named(name: str, value: Any) -> None:
    options = msgspec.convert({name: value, "temperature": 0.5}, Options)
    assert options.to_sampling() == Sampling(temperature=0.5)
    assert options.to_headers() == {HEADER: f"options.{name}"}


def test_where_no_token_is_chosen_that_has_no_effect_either() -> None:
    options = msgspec.convert({"num_ctx": 512, "seed": 1, "temperature": 0.5, "num_gpu": 1, "tfs_z": 1.0}, Options)
    assert options.to_headers(writes=False) == {HEADER: "options.num_gpu, options.seed, options.temperature"}
    assert options.to_headers() == {HEADER: "options.num_gpu"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mirostat", 1), ("mirostat", 2), ("tfs_z", 0.5), ("penalize_newline", False),
        ("logits_all", True), ("vocab_only", True), ("embedding_only", True),
        ("num_predict", -3), ("temperature", -1), ("top_p", 2), ("top_k", -2), ("min_p", 1.1), ("repeat_penalty", 0),
        ("presence_penalty", 3), ("frequency_penalty", -3), ("repeat_last_n", -2), ("typical_p", 7),
        ("stop", [""]), ("stop", ["x"] * 100),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(name: str, value: Any) -> None:
    with pytest.raises(SamovarError) as caught:
        sampling(**{name: value})
    assert str(caught.value.failure.details["param"]).startswith(f"options.{name}")
    assert f"options.{name}" in str(caught.value)
