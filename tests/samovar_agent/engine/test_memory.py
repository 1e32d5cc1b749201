from typing import Any

import pytest

from samovar_agent.engine.memory import check_room, estimate
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.engine.conftest import header


def test_the_sum_is_made_of_its_parts() -> None:
    found = estimate(header(), context_length=4096, free_bytes=7)
    assert found.weights_bytes == 1_000_000
    assert found.cache_bytes == 2 * 2 * (16 + 16) * 2 * 4096  # layers, heads, key and value, 2 bytes, tokens
    assert found.need_bytes == found.weights_bytes + found.cache_bytes + found.buffer_bytes
    assert found.free_bytes == 7
    assert found.context_length == 4096


def test_layers_may_differ_in_heads() -> None:
    found = estimate(header(head_counts_kv=(1, 3)), context_length=4096, free_bytes=0)
    assert found.cache_bytes == (1 + 3) * 32 * 2 * 4096


def buffers(context_length: int = 512, **changes: Any) -> int:
    return estimate(header(**changes), context_length=context_length, free_bytes=0).buffer_bytes


def test_scores_take_room_for_every_sequence() -> None:
    assert buffers(vocabulary_size=250_000) > buffers() + 64 * 240_000 * 4
    window = buffers(vocabulary_size=250_000, architecture="gemma3", sliding_window=512)
    assert window < buffers(vocabulary_size=250_000) - 50 * 240_000 * 4, "it has fewer sequences"


def test_an_encoder_has_room_for_scores_of_a_whole_text() -> None:
    encoder = {"architecture": "bert", "vocabulary_size": 30_000}
    assert buffers(512, **encoder) > buffers(256, **encoder) + 256 * 30_000 * 4
    decoder = {"architecture": "qwen3", "vocabulary_size": 30_000, "pooling_type": 3}
    assert buffers(2048, **decoder) < buffers(512, **decoder) + 2048 * 512 * 2, "it reads a text in pieces"


def test_experts_are_computed_side_by_side() -> None:
    shape = {"expert_used_count": (8,), "expert_feed_forward_length": (768,)}
    assert buffers(shape=shape) > buffers() + 3 * 8 * 700 * 4 * 512


def test_what_fits_is_not_refused() -> None:
    need = estimate(header(), context_length=128, free_bytes=0).need_bytes
    check_room(estimate(header(), context_length=128, free_bytes=need), "maker/small")


def test_what_does_not_fit_is_refused_with_both_numbers() -> None:
    found = estimate(header(tensor_bytes=5_000_000_000), context_length=128, free_bytes=2_500_000_000)
    with pytest.raises(SamovarError) as caught:
        check_room(found, "maker/small")
    assert caught.value.code == FailureCode.NOT_ENOUGH_MEMORY
    assert "needs 5.0 GB" in caught.value.failure.message
    assert "2.5 GB are free" in caught.value.failure.message
    assert caught.value.failure.details == {"need_bytes": found.need_bytes, "free_bytes": 2_500_000_000}
