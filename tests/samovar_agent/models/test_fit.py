"""Whether a model would fit, against what loading it really takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from samovar_agent.models.fit import SHORTEST_CONTEXT, fit, need
from samovar_agent.models.gguf import read_header
from samovar_protocol.values import Fit

GB = 10**9
SIZE, PARAMETERS = 5_030_000_000, 8_190_735_360


def fit_8b(free: int, context_length: int = 40_960) -> Fit:
    return fit(
        size_bytes=SIZE, parameters=PARAMETERS, context_length=context_length, usual_context=8192, free_bytes=free
    )


@pytest.mark.parametrize(
    ("free", "expected"),
    [(64 * GB, "fits"), (8 * GB, "fits"), (6 * GB, "less-context"), (5 * GB, "too-large"), (0, "too-large")],
)
def test_a_model_of_eight_billion_parameters(free: int, expected: Fit) -> None:
    assert fit_8b(free) == expected


def test_more_memory_never_makes_it_worse() -> None:
    order = ["too-large", "less-context", "fits"]
    seen = [order.index(fit_8b(free)) for free in range(4 * GB, 10 * GB, GB // 20)]
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}


def test_a_model_with_a_short_context_needs_no_more_than_that() -> None:
    at = need(SIZE, PARAMETERS, 512)
    assert fit_8b(at, context_length=512) == "fits"
    assert fit_8b(at - 1, context_length=512) == "too-large"  # there is no shorter one to fall back on


def test_models_that_do_not_write_keep_no_cache() -> None:
    def small(free: int, *, writes: bool) -> Fit:
        return fit(
            size_bytes=600_000_000,
            parameters=595_776_512,
            context_length=32_768,
            usual_context=32_768,
            free_bytes=free,
            writes=writes,
        )

    assert small(GB, writes=False) == "fits"
    assert small(GB, writes=True) != "fits"
    assert small(GB // 2, writes=False) == "too-large"


def test_parameters_are_guessed_from_the_size() -> None:
    known = need(SIZE, PARAMETERS, 8192)
    assert need(SIZE, None, 8192) == pytest.approx(known, rel=0.05)


CACHES = {  # parameters in billions: bytes that a token of context takes, by the published dimensions
    "Llama 3.2 1B": (1.24, 16 * 8 * 64 * 4),
    "Qwen3 0.6B": (0.6, 28 * 8 * 128 * 4),
    "Qwen3 1.7B": (1.72, 28 * 8 * 128 * 4),
    "Qwen3 4B": (4.02, 36 * 8 * 128 * 4),
    "Llama 3.1 8B": (8.03, 32 * 8 * 128 * 4),
    "Qwen3 14B": (14.8, 40 * 8 * 128 * 4),
    "Qwen3 32B": (32.8, 64 * 8 * 128 * 4),
    "Llama 3.3 70B": (70.6, 80 * 8 * 128 * 4),
}


@pytest.mark.parametrize("name", CACHES)
def test_the_cache_is_about_as_large_as_it_really_is(name: str) -> None:
    billions, per_token = CACHES[name]
    size, parameters = int(billions * 6e8), int(billions * 1e9)
    ours = (need(size, parameters, 8192) - need(size, parameters, 4096)) / 4096
    assert 0.8 * per_token < ours < 4 * per_token  # rather too much: what is said to fit must fit


def test_what_is_said_to_fit_really_fits(small_model: Path, gemma_model: Path) -> None:
    from samovar_agent.engine.memory import estimate

    for path in (small_model, gemma_model):
        header = read_header(path)
        for context in (SHORTEST_CONTEXT, 8192):
            exact = estimate(header, context_length=context, free_bytes=0, threads=4).need_bytes
            rough = need(path.stat().st_size, header.parameters, context)
            assert exact <= rough < 2.5 * exact
