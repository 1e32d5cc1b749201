"""A worker's loop over a fake context, run step by step in the test's own thread."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from samovar_agent.engine.interface import Generation
from samovar_agent.engine.wire import Answer, Cancel, Done, Failed, Piece, Unload
from samovar_agent.engine.worker import costs
from samovar_agent.engine.worker.context import Context
from samovar_agent.engine.worker.inbox import Inbox
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.job import Branch, Job
from samovar_agent.engine.worker.loop import Loop
from samovar_agent.engine.worker.prefix_cache import PrefixCache
from samovar_agent.engine.worker.speculation import CostCurve
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions, Sampling, Text
from tests.samovar_agent.engine.worker.fake_context import END, FakeChooser, FakeContext, FakeReader

CURVE = CostCurve({1: 1.0, 2: 1.1, 17: 2.0})
"""Guessing ahead nearly always pays."""


class Worker:
    """A loop over a fake context, run step by step in the test's own thread."""

    def __init__(self, context: FakeContext, keeper: Any = None) -> None:
        self.context = context
        self.answers: list[Answer] = []
        self.choosers: list[FakeChooser] = []
        self.stop: int | None = None
        self.inbox: Inbox[Job] = Inbox(Interrupt(), self.answers.append)
        self.cache = PrefixCache(
            context, cells=context.cells, sequences=context.sequences, keep_ends=not context.can_share_any_prefix
        )
        self.loop = Loop(cast(Context, context), self.cache, self.inbox, self.answers.append, keeper)
        self.loop._costs = cast(costs.Measurement, SimpleNamespace(curve=None, finished=True))
        self._ids = iter(range(1, 10_000))
        self._keys = iter(range(10_000))
        self.after_step: Callable[[int], None] = lambda number: None
        compute = context.compute

        def counted(parts: Any) -> list[int] | None:
            rows = compute(parts)
            self.after_step(len(context.steps))
            return rows

        context.compute = counted  # type: ignore[method-assign]

    def submit(
        self,
        prompt: Sequence[int],
        count: int,
        *,
        client: str = "",
        options: ChatOptions = ChatOptions(),  # noqa: B008
        seed: int | None = None,
        unscored: int | None = None,
    ) -> int:
        """A request of `count` tokens, ready to compute; returns its id."""
        id_ = next(self._ids)
        sampling = Sampling(max_tokens=count, seed=seed)
        generation = Generation(prompt=list(prompt), sampling=sampling, options=options, client=client)
        job = Job(id_, generation, 0.0, frozenset({END}))
        for choice in range(options.n):
            chooser = FakeChooser()
            self.choosers.append(chooser)
            reader = FakeReader(choice, stop=self.stop)
            job.branches.append(
                Branch(
                    job,
                    next(self._keys),
                    prompt,
                    chooser,
                    reader,
                    choice=choice,
                    context_length=self.context.cells,
                    unscored=unscored,
                )
            )
        self.inbox._items.put(job)
        return id_

    def command(self, command: Cancel | Unload) -> None:
        self.inbox.put(command)

    def run(self) -> None:
        """Until nothing runs any more."""
        pending = len(self.choosers)

        def end_when_idle(*, timeout: float | None = 0.0) -> Any:
            item = get(timeout=0.0)
            return item if item is not None or timeout == 0.0 else Unload()

        get = self.inbox.get
        self.inbox.get = end_when_idle  # type: ignore[method-assign]
        try:
            self.loop.run()
        finally:
            self.inbox.get = get  # type: ignore[method-assign]
        assert pending <= len(self.choosers)
        assert all(chooser.closed == 1 for chooser in self.choosers), "a sampler is freed exactly once"

    def tokens(self, id_: int, choice: int = 0) -> list[int]:
        """What the client was told."""
        texts = [
            answer.delta.text
            for answer in self.answers
            if isinstance(answer, Piece) and answer.id == id_ and answer.delta.choice == choice
            if isinstance(answer.delta, Text)
        ]
        return [int(word) for word in "".join(texts).split()]

    def done(self, id_: int) -> Done:
        (answer,) = [answer for answer in self.answers if isinstance(answer, Done) and answer.id == id_]
        return answer

    def failure(self, id_: int) -> str:
        (answer,) = [answer for answer in self.answers if isinstance(answer, Failed) and answer.id == id_]
        return answer.failure.code


def fail_after(chooser: FakeChooser, count: int) -> None:
    """Make it fail when it has chosen `count` tokens."""
    sample, left = chooser.sample, iter(range(count))

    def fails(context: FakeContext, index: int) -> int:
        if next(left, None) is None:
            raise SamovarError(FailureCode.BAD_REQUEST, "The grammar is too ambiguous.")
        return sample(context, index)

    chooser.sample = fails  # type: ignore[method-assign]


def prompt(seed: int, length: int) -> list[int]:
    source = random.Random(seed)
    return [source.randrange(10, 60) for _ in range(length)]
