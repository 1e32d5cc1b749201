"""What a worker says of the prefixes that it remembers and forgets."""

from typing import cast

from samovar_agent.engine.wire import CacheChanged
from samovar_agent.engine.worker.attic import Attic
from samovar_agent.engine.worker.context import Context
from samovar_agent.engine.worker.keeper import Keeper
from samovar_agent.engine.worker.snapshots import SnapshotStore
from tests.samovar_agent.engine.worker.fake_context import FakeContext
from tests.samovar_agent.engine.worker.fake_worker import Worker, prompt


class Disk:
    """Keeps everything, and has `held` to begin with."""

    def __init__(self, held: list[int] | None = None, state: bytes = b"") -> None:
        self.held, self.state = held, state
        self.written: list[list[int]] = []

    @property
    def length(self) -> int:
        return len(self.held or [])

    def tokens(self) -> list[int]:
        return self.held or []

    def nearest(self, tokens: list[int]) -> tuple["Disk", int] | None:
        return (self, self.length) if self.held and tokens[: self.length] == self.held else None

    def read(self, entry: "Disk") -> bytes:
        return self.state

    def save(self, tokens: list[int], state: memoryview) -> bool:
        self.written.append(list(tokens))
        return True


def told(worker: Worker) -> CacheChanged:
    """All that was said, added up."""
    changes = [answer for answer in worker.answers if isinstance(answer, CacheChanged)]
    return CacheChanged(
        sum(one.evictions for one in changes), sum(one.restored for one in changes), sum(one.saved for one in changes)
    )


def test_who_forgets_nothing_says_nothing() -> None:
    worker = Worker(FakeContext(cells=4000))
    for seed in range(3):
        worker.submit(prompt(seed, 100), 5)
        worker.run()
    assert not any(isinstance(answer, CacheChanged) for answer in worker.answers)


def test_what_makes_room_is_counted_once() -> None:
    worker = Worker(FakeContext(cells=500))
    for seed in range(4):
        worker.submit(prompt(seed, 300), 5)
        worker.run()
    assert told(worker) == CacheChanged(evictions=3, restored=0, saved=0)
    assert worker.cache.counts.evictions == 3


def test_what_comes_from_disk_and_goes_there_is_counted() -> None:
    first = FakeContext(cells=4000)
    maker = Worker(first)
    long = prompt(1, 200)
    maker.submit(long, 1)
    maker.run()
    [(sequence, tokens)] = maker.cache.finished()
    state = first.save(sequence)
    assert state is not None
    disk = Disk(tokens, bytes(state))
    context = FakeContext(cells=4000)
    worker = Worker(context)
    keeper = Keeper(cast(Context, context), worker.cache, Attic(1 << 20), cast(SnapshotStore, disk))
    keeper._begin_writing = keeper._write  # type: ignore[method-assign]
    worker.loop._keeper = keeper
    again = worker.submit([*long, *prompt(2, 70)], 3)
    worker.run()
    assert worker.done(again).finished.stats.cached_tokens >= 199
    assert told(worker).restored == 1
    keeper.save_now(10.0)
    worker.loop._tell_cache()
    worker.loop._say()
    assert told(worker).saved == len(disk.written) > 0
