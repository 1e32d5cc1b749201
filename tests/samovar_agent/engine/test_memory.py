from pathlib import Path

import pytest

from samovar_agent.engine import memory
from samovar_agent.engine.memory import available_bytes, check_room, estimate
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


def test_the_cache_is_rounded_up_as_llama_cpp_does() -> None:
    def cache(context: int) -> int:
        return estimate(header(), context_length=context, free_bytes=0).cache_bytes

    assert cache(1) == cache(256) < cache(257)


def test_a_sliding_window_takes_less_but_not_nothing() -> None:
    def cache(window: int | None) -> int:
        return estimate(header(sliding_window=window), context_length=4096, free_bytes=0).cache_bytes

    full = cache(None)
    assert full / 2 < cache(512) < full
    assert cache(4096) == full


@pytest.mark.parametrize("architecture", ["phi3", "phimoe"])
def test_a_sliding_window_that_llama_cpp_does_not_use_saves_nothing(architecture: str) -> None:
    full = estimate(header(), context_length=4096, free_bytes=0)
    windowed = estimate(header(architecture=architecture, sliding_window=512), context_length=4096, free_bytes=0)
    assert windowed.cache_bytes == full.cache_bytes


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


def group(folder: Path, limit: str, used: int, cached: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")


def test_the_tightest_control_group_counts(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("0::/user/app\n")
    group(root / "user", "1000", 700, 100)
    group(root / "user" / "app", "5000", 700, 0)
    assert memory._cgroup_left(root, membership) == 400
    group(root / "user", "max", 700, 100)
    assert memory._cgroup_left(root, membership) == 4300


@pytest.mark.parametrize("text", ["", "4:memory:/old\n", "0::/\n"])
def test_without_a_limit_the_machine_counts(tmp_path: Path, text: str) -> None:
    (tmp_path / "membership").write_text(text)
    assert memory._cgroup_left(tmp_path, tmp_path / "membership") is None
    assert memory._cgroup_left(tmp_path, tmp_path / "missing") is None


def test_the_group_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_cgroup_left", lambda root, membership: 5)
    assert available_bytes() == 5
