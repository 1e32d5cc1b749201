"""What models have done, counted over workers that misbehave on demand."""

import asyncio
from pathlib import Path

import pytest

from samovar_agent.engine.residents import SnapshotPlaces
from samovar_agent.engine.tally import BOUNDS, MOST_MODELS, OTHERS, Histogram, Tallies, Tally
from samovar_agent.engine.wire import CacheChanged
from samovar_agent.models.gguf import read_header
from samovar_protocol import SamovarError
from samovar_protocol.values import Message, Sampling, Stats
from tests.samovar_agent.engine.conftest import Bench, MakeBench
from tests.samovar_agent.engine.talking import reply, talk


async def reply_of_three(bench: Bench, text: str) -> None:
    messages = [Message(role="user", content=text)]
    async for _ in bench.instances.generate("small", messages, Sampling(max_tokens=3)):
        pass


def tally_of(bench: Bench) -> Tally:
    return bench.instances.tallies.all()["maker/small"]


def test_a_duration_counts_up_to_its_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[-1] + 1):
        histogram.observe(seconds)
    assert histogram.counts[:2] == [2, 1]
    assert histogram.counts[-1] == 1
    assert sum(histogram.counts) == 4


def test_a_reply_adds_its_tokens_and_times() -> None:
    tally = Tally()
    stats = Stats(
        prompt_tokens=10,
        cached_tokens=4,
        completion_tokens=5,
        drafted_tokens=3,
        accepted_tokens=2,
        queue_seconds=0.2,
        decode_seconds=1.0,
    )
    tally.replied(stats, 1.5)
    tally.replied(Stats(prompt_tokens=1), 0.1)
    assert (tally.prompt_tokens, tally.cached_tokens, tally.completion_tokens) == (11, 4, 5)
    assert (tally.drafted_tokens, tally.accepted_tokens) == (3, 2)
    assert (tally.cache_hits, tally.cache_misses) == (1, 1)
    assert tally.queue_wait.sum == pytest.approx(0.2)
    assert tally.first_token.sum == pytest.approx(0.6)
    assert tally.latency.sum == pytest.approx(1.6)


def test_there_are_never_more_than_so_many() -> None:
    tallies = Tallies()
    for number in range(MOST_MODELS + 50):
        tallies.of(f"model{number}").loads += 1
    assert len(tallies.all()) == MOST_MODELS + 1
    assert tallies.all()[OTHERS].loads == 50
    assert tallies.of("model3").loads == 1


async def test_a_load_a_reply_and_an_unload(make_bench: MakeBench) -> None:
    bench = make_bench()
    await reply(bench, "one two three")
    tally = tally_of(bench)
    assert (tally.loads, tally.unloads, tally.crashes) == (1, 0, 0)
    assert tally.outcomes == {"ok": 1, "failed": 0, "cancelled": 0, "refused": 0}
    assert tally.completion_tokens == 3
    assert sum(tally.first_token.counts) == sum(tally.latency.counts) == sum(tally.queue_wait.counts) == 1
    assert 0 < tally.latency.sum < 60
    await bench.instances.unload("small")
    await reply(bench, "one")
    assert tally_of(bench) is tally, "it outlives the instance"
    assert (tally.loads, tally.unloads, tally.completion_tokens) == (2, 1, 4)


async def test_vectors_and_scores_count(make_bench: MakeBench) -> None:
    bench = make_bench()
    async for _ in bench.instances.embed("small", ["a", "b"]):
        pass
    async for _ in bench.instances.rerank("small", "q", ["a", "b", "c"]):
        pass
    tally = tally_of(bench)
    assert (tally.prompt_tokens, tally.outcomes["ok"], sum(tally.latency.counts)) == (5, 2, 2)
    assert sum(tally.first_token.counts) == 0


async def test_crashes_failures_and_those_who_leave(make_bench: MakeBench) -> None:
    bench = make_bench()
    with pytest.raises(SamovarError):
        await reply(bench, "refuse")
    tally = tally_of(bench)
    assert (tally.outcomes["failed"], tally.crashes) == (1, 0)
    items = talk(bench, "for ever")
    await anext(items)
    await items.aclose()
    assert tally.outcomes["cancelled"] == 1
    with pytest.raises(SamovarError):
        await reply(bench, "crash")
    assert (tally.outcomes["failed"], tally.crashes, tally.unloads) == (2, 1, 0)


async def test_a_load_that_fails(make_bench: MakeBench) -> None:
    bench = make_bench("refuses")
    with pytest.raises(SamovarError):
        await reply(bench, "one")
    tally = tally_of(bench)
    assert tally.outcomes["failed"] == 1
    assert (tally.load_failures, tally.loads, tally.crashes, tally.unloads) == (1, 0, 0, 0)


async def test_a_full_queue_refuses(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.settings.set("engine.queue_limit", 1)
    await bench.instances.load("small")
    waiting = asyncio.create_task(reply(bench, "wait"))
    async with asyncio.timeout(10):
        while not bench.instances.ls()[0].queued:
            await asyncio.sleep(0.01)
    with pytest.raises(SamovarError, match="wait for this model"):
        await reply(bench, "one")
    assert tally_of(bench).outcomes["refused"] == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert tally_of(bench).outcomes["cancelled"] == 1


async def test_what_a_worker_says_of_its_prefixes_is_added(make_bench: MakeBench) -> None:
    bench = make_bench()
    await bench.instances.load("small")
    instance = next(iter(bench.instances._instances.values()))
    for _ in range(2):
        instance._engine._take(CacheChanged(evictions=3, restored=2, saved=1))  # type: ignore[attr-defined]
    tally = tally_of(bench)
    assert (tally.evictions, tally.snapshots_restored, tally.snapshots_saved) == (6, 4, 2)


@pytest.mark.model
async def test_prefixes_that_go_to_disk_and_come_back_are_counted(
    make_bench: MakeBench, small_model: Path, tmp_path: Path
) -> None:
    bench = make_bench(None, patience=10.0, snapshots=SnapshotPlaces(tmp_path / "snapshots", tmp_path / "key"))
    bench.library.files.clear()
    bench.library.add("maker/small", small_model, read_header(small_model))
    long = "A samovar keeps the water for tea hot. " * 30
    await reply_of_three(bench, long)
    tally = tally_of(bench)
    assert (tally.cache_hits, tally.cache_misses, tally.snapshots_saved) == (0, 1, 0)
    await bench.instances.unload("small")
    assert (tally.snapshots_saved, tally.snapshots_restored) == (1, 0)
    await reply_of_three(bench, long)
    await bench.instances.unload("small")
    assert (tally.cache_hits, tally.snapshots_restored) == (1, 1)
    assert tally.cached_tokens > 200
