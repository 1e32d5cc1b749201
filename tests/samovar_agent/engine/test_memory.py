from typing import Any

import pytest

from samovar_agent.engine import memory
from samovar_agent.engine.memory import check_room, default_context, estimate
from samovar_agent.engine.worker import lanes
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.engine.conftest import header


def test_the_sum_is_made_of_its_parts() -> None:
    found = estimate(header(), context_length=4096, threads=2, free_bytes=7)
    assert found.weights_bytes == 1_000_000
    assert found.cache_bytes == 2 * 2 * (16 + 16) * 2 * 4096  # layers, heads, key and value, 2 bytes, tokens
    assert found.need_bytes == found.weights_bytes + found.cache_bytes + found.buffer_bytes
    assert found.free_bytes == 7
    assert found.context_length == 4096


def test_layers_may_differ_in_heads() -> None:
    found = estimate(header(head_counts_kv=(1, 3)), context_length=4096, threads=2, free_bytes=0)
    assert found.cache_bytes == (1 + 3) * 32 * 2 * 4096


def buffers(context_length: int = 512, threads: int = 1, **changes: Any) -> int:
    found = estimate(header(**changes), context_length=context_length, threads=threads, free_bytes=0)
    return found.buffer_bytes


def test_scores_take_room_for_every_sequence() -> None:
    assert buffers(vocabulary_size=250_000) > buffers() + 64 * 240_000 * 4
    window = buffers(vocabulary_size=250_000, architecture="gemma3", sliding_window=512)
    assert window < buffers(vocabulary_size=250_000) - 50 * 240_000 * 4, "it has fewer sequences"


def test_an_encoder_has_room_for_scores_of_a_whole_text() -> None:
    encoder: dict[str, Any] = {"architecture": "bert", "vocabulary_size": 30_000}
    assert buffers(512, **encoder) > buffers(256, **encoder) + 256 * 30_000 * 4
    decoder: dict[str, Any] = {"architecture": "qwen3", "vocabulary_size": 30_000, "pooling_type": 3}
    assert buffers(2048, **decoder) < buffers(512, **decoder) + 2048 * 512 * 2, "it reads a text in pieces"


def test_an_encoder_reads_several_texts_side_by_side() -> None:
    encoder: dict[str, Any] = {"architecture": "bert", "vocabulary_size": 30_000}
    lane = buffers(512, 2, **encoder) - buffers(512, 1, **encoder)
    assert lane > 512 * 30_000 * 4
    assert buffers(512, 4, **encoder) == buffers(512, 99, **encoder) == buffers(512, 1, **encoder) + 3 * lane
    assert buffers(2048, 2, **encoder) - buffers(2048, 1, **encoder) == lane, "long texts are read one by one"
    large: dict[str, Any] = {"architecture": "bert", "vocabulary_size": 250_000}
    assert buffers(512, 2, **large) - buffers(512, 1, **large) < 2 * 128 * 250_000 * 4
    for others in ({}, {"architecture": "qwen3", "pooling_type": 3}, {"architecture": "qwen3", "pooling_type": 1}):
        assert buffers(512, 4, **others) == buffers(512, 1, **others)


def test_the_lanes_are_those_of_the_worker() -> None:
    for name in ("LANES", "LANE_TOKENS", "LANE_BYTES", "SHARED_TOKENS"):
        assert getattr(memory, name) == getattr(lanes, name)


@pytest.mark.parametrize(
    ("vocabulary", "trained", "wanted", "length"),
    [(30_000, 512, 8192, 512), (30_000, 8192, 8192, 4096), (250_000, 8192, 8192, 512), (250_000, 8192, 300, 300)],
)
def test_who_asks_for_no_context_gets_a_modest_one_of_an_encoder(
    vocabulary: int, trained: int, wanted: int, length: int
) -> None:
    encoder = header(architecture="bert", vocabulary_size=vocabulary, context_length=trained)
    assert default_context(encoder, wanted) == length
    for other in ({}, {"architecture": "qwen3", "pooling_type": 3}):
        chat = header(vocabulary_size=vocabulary, context_length=trained, **other)
        assert default_context(chat, wanted) == min(wanted, trained)


def test_experts_are_computed_side_by_side() -> None:
    shape = {"expert_used_count": (8,), "expert_feed_forward_length": (768,)}
    assert buffers(shape=shape) > buffers() + 3 * 8 * 700 * 4 * 512


def test_what_fits_is_not_refused() -> None:
    need = estimate(header(), context_length=128, threads=2, free_bytes=0).need_bytes
    check_room(estimate(header(), context_length=128, threads=2, free_bytes=need), "maker/small")


def test_what_does_not_fit_is_refused_with_both_numbers() -> None:
    found = estimate(header(tensor_bytes=5_000_000_000), context_length=128, threads=2, free_bytes=2_500_000_000)
    with pytest.raises(SamovarError) as caught:
        check_room(found, "maker/small")
    assert caught.value.code == FailureCode.NOT_ENOUGH_MEMORY
    assert "needs 5.0 GB" in caught.value.failure.message
    assert "2.5 GB are free" in caught.value.failure.message
    assert caught.value.failure.details == {"need_bytes": found.need_bytes, "free_bytes": 2_500_000_000}
