"""Everything at once, at random: whatever happens, each reply is right or fails for its own reason, and all end."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from samovar_agent.engine.wire import Cancel, Done, Failed
from samovar_agent.engine.worker import keeper as keeper_module
from samovar_agent.engine.worker import loop as loop_module
from samovar_agent.engine.worker import scheduler as scheduler_module
from samovar_agent.engine.worker.attic import Attic
from samovar_agent.engine.worker.context import Context, NoRoomError
from samovar_agent.engine.worker.keeper import Keeper
from samovar_agent.engine.worker.snapshots import SnapshotStore
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions
from tests.samovar_agent.engine.worker.fake_context import FakeContext, written
from tests.samovar_agent.engine.worker.fake_worker import CURVE, Worker, fail_after, prompt

SEEDS = range(int(os.environ.get("SAMOVAR_LOOP_SEED") or 0), int(os.environ.get("SAMOVAR_LOOP_SEEDS") or 40))
"""More of them, for once: SAMOVAR_LOOP_SEEDS=10000."""
MOST_ROUNDS = 20_000


class Disk:
    """What a `SnapshotStore` does, in memory. - lose: whether a file cannot be read, asked each time."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._states: dict[tuple[int, ...], bytes] = {}

    def save(self, tokens: Sequence[int], state: bytes | memoryview) -> bool:
        if self._source.random() < 0.1:
            return False
        self._states[tuple(tokens)] = bytes(state)
        return True

    def nearest(self, tokens: Sequence[int]) -> tuple[Any, int] | None:
        def shared(saved: Sequence[int]) -> int:
            return next((n for n, pair in enumerate(zip(saved, tokens, strict=False)) if len(set(pair)) == 2), 0)

        best = max(self._states, key=shared, default=())
        return (self._entry(best), shared(best)) if shared(best) else None

    def longest(self, tokens: Sequence[int]) -> Any:
        fitting = [saved for saved in self._states if tuple(tokens[: len(saved)]) == saved]
        return self._entry(max(fitting, key=len)) if fitting else None

    def read(self, entry: Any) -> bytes | None:
        state = self._states[tuple(entry.tokens())]
        return state if self._source.random() < 0.8 else self._states.pop(tuple(entry.tokens())) and None

    @staticmethod
    def _entry(tokens: Sequence[int]) -> Any:
        return SimpleNamespace(tokens=lambda: list(tokens), length=len(tokens))


class Chaos:
    """A worker, what is asked of it, and what it must not do."""

    def __init__(self, seed: int) -> None:
        self.source = source = random.Random(seed)
        self.cells = source.choice((20, 60, 200, 500, 2000))
        self.room = self.cells if source.random() < 0.7 else source.randrange(self.cells // 2, self.cells + 1)
        kind: dict[str, Any] = source.choice(({}, {}, {"window": 17}, {"window": 30}, {"only_whole": True}))
        self.context = FakeContext(cells=self.cells, sequences=source.choice((1, 2, 4, 16)), room=self.room, **kind)
        self.context.interrupt_at = {source.randrange(300) for _ in range(5)}
        self.context.fail_at = {source.randrange(300): NoRoomError() for _ in range(3)}
        self.broken_steps = 0
        if source.random() < 0.2:
            self.broken_steps = 2
            broken = SamovarError(FailureCode.INTERNAL, "llama.cpp could not compute.")
            self.context.fail_at |= {source.randrange(200): broken for _ in range(2)}
        self.context.fail_restoring = {source.randrange(1, 10) for _ in range(2)}
        self.worker = Worker(self.context)
        if source.random() < 0.7:
            disk = cast(SnapshotStore, Disk(source)) if source.random() < 0.5 else None
            attic = Attic(source.choice((0, 500, 100_000)))
            keeper = Keeper(cast(Context, self.context), self.worker.cache, attic, disk)
            keeper._begin_writing = keeper._write  # type: ignore[method-assign]
            self.worker.loop._keeper = keeper
        if self.context.can_rewind and source.random() < 0.7:
            self.worker.loop._costs.curve = CURVE
        self.systems = [prompt(number, min(60, self.cells // 2)) for number in range(3)]
        self.wanted: dict[int, tuple[list[int], int, int]] = {}
        self.failing: set[int] = set()
        self.cancelled: set[int] = set()
        self.worker.after_step = self.something
        self._rounds = 0
        self._admit = self.worker.loop._admit
        self.worker.loop._admit = self.admit  # type: ignore[method-assign]

    def admit(self) -> None:
        self._rounds += 1
        assert self._rounds < MOST_ROUNDS, "it does not come forward"
        self._admit()
        loop, cache = self.worker.loop, self.worker.cache
        for sequence in range(self.context.sequences):
            held = cache._tree.path(sequence) if sequence in cache._tree else []
            assert self.context.tokens(sequence) == held, "what is remembered is not what is there"
        assert self.context.used == cache.used <= self.cells
        for branch in loop._running.values():
            assert branch.sequence is not None
            assert self.context.tokens(branch.sequence) == branch.tokens[: branch.computed]
        assert len({branch.sequence for branch in loop._running.values()}) == len(loop._running) <= loop._places
        assert {branch.sequence for branch in loop._running.values()} == cache._running
        assert loop._running or not (loop._suspended or len(loop._queue)), "somebody waits for nobody"

    def something(self, number: int) -> None:
        if self.source.random() < 0.3 and len(self.wanted) < 40:
            self.ask()
        if self.source.random() < 0.05 and self.wanted:
            id_ = self.source.choice(list(self.wanted))
            self.cancelled.add(id_)
            self.worker.command(Cancel(id_))

    def ask(self) -> None:
        source = self.source
        if self.wanted and source.random() < 0.3:  # the next turn of a conversation
            text, count, _ = source.choice(list(self.wanted.values()))
            text = [*text, *written(text, count), *prompt(source.randrange(99), source.randrange(1, 9))]
        else:
            beginning = source.choice(self.systems)[: source.randrange(1, 60)]
            text = [*beginning, *prompt(source.randrange(9), source.randrange(40))]
        text = text[: self.cells]
        count, n = source.randrange(1, 40), source.choice((1, 1, 1, 2, 3))
        priority: Any = source.choice(("interactive", "background"))
        id_ = self.worker.submit(
            text,
            count,
            client=str(source.randrange(3)),
            seed=source.choice((None, None, 1)),
            options=ChatOptions(priority=priority, n=n),
        )
        self.wanted[id_] = text, count, n
        if source.random() < 0.1:
            self.failing.add(id_)
            fail_after(source.choice(self.worker.choosers[-n:]), source.randrange(count))

    def check(self, id_: int) -> None:
        text, count, n = self.wanted[id_]
        expected = written(text, min(count, self.cells + 1 - len(text)))
        told = [self.worker.tokens(id_, choice) for choice in range(n)]
        assert all(tokens == expected[: len(tokens)] for tokens in told)
        ends = [answer for answer in self.worker.answers if isinstance(answer, Done | Failed) and answer.id == id_]
        if id_ in self.cancelled and not ends:
            return
        (end,) = ends
        if isinstance(end, Failed):
            assert id_ in self.failing or (end.failure.code == "internal" and self.broken_steps)
            return
        for tokens in told:
            # It may stop early only where it alone fills all the room there is.
            assert len(tokens) == len(expected) or len(text) + len(tokens) > self.room - 1
        assert end.finished.finish_reasons == ["length"] * n


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_every_reply_is_right(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "_LEAST_TOKENS", 4)
    monkeypatch.setattr(keeper_module, "_LEAST_PARKED", 8)
    monkeypatch.setattr(loop_module, "WORTH_KEEPING", 10)
    monkeypatch.setattr(scheduler_module, "WORTH_WAITING", 5)
    chaos = Chaos(seed)
    for _ in range(3):
        chaos.ask()
    for _ in range(3):
        chaos.worker.run()
        chaos.something(0)
    chaos.worker.run()
    for id_ in chaos.wanted:
        chaos.check(id_)
