"""The loop with a real model in a thread: what a worker is, without a process and pipes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self, cast

from samovar_agent.engine.interface import Finished, Generation, Infill, LoadOptions, SnapshotOptions
from samovar_agent.engine.wire import Answer, Cancel, Done, Failed, Generate, Piece, Unload
from samovar_agent.engine.worker import costs
from samovar_agent.engine.worker.context import Context
from samovar_agent.engine.worker.inbox import Inbox
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.job import Job
from samovar_agent.engine.worker.keeper import open_keeper
from samovar_agent.engine.worker.loop import Loop
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.prefix_cache import PrefixCache
from samovar_agent.engine.worker.preparing import discard, preparer
from samovar_agent.engine.worker.prompt import chat_template
from samovar_agent.engine.worker.questions import answering
from samovar_agent.engine.worker.speculation import CostCurve
from samovar_protocol.values import ChatOptions, Sampling, Text

EAGER = CostCurve({1: 1.0, 2: 1.05, 17: 1.5})
"""With these costs it guesses ahead whenever it can."""


class LiveLoop:
    """Submits requests and waits for them; raises nothing of its own.

    - curve: what guessing ahead is taken to cost; None never guesses.
    """

    def __init__(
        self,
        path: Path,
        *,
        context_length: int = 2048,
        snapshots: SnapshotOptions | None = None,
        curve: CostCurve | None = None,
    ) -> None:
        interrupt = Interrupt()
        options = LoadOptions(path=str(path), context_length=context_length, threads=2, snapshots=snapshots)
        self.model = Model(str(path), interrupt, lambda progress: None)
        self.context = Context(self.model, options, interrupt)
        self.cache = PrefixCache(
            self.context,
            cells=self.context.cells,
            sequences=self.context.sequences,
            keep_ends=not self.context.can_share_any_prefix,
        )
        self.inbox: Inbox[Job] = Inbox(interrupt, self._take)
        keeper = open_keeper(options, self.model, self.context, self.cache)
        self.loop = Loop(self.context, self.cache, self.inbox, self._take, keeper)
        self.loop._costs = cast(costs.Measurement, SimpleNamespace(curve=curve, finished=True))
        template = chat_template(self.model)
        answer_to = answering(self.model, template)
        self.inbox.prepare_with(preparer(self.model, template, context_length), discard, answer_to)
        self._next = 0
        self._ended: dict[int, Done | Failed] = {}
        self._texts: dict[tuple[int, int], list[str]] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.inbox.put(Unload())
        self._thread.join(60)
        assert not self._thread.is_alive(), "the loop does not end"
        self.context.close()
        self.model.close()

    def submit(
        self,
        prompt: str | Sequence[int],
        *,
        client: str = "",
        options: ChatOptions = ChatOptions(),  # noqa: B008
        suffix: str | None = None,
        infill: Infill = Infill(),  # noqa: B008
        **sampling: Any,
    ) -> int:
        """A request to go on from `prompt`; greedy unless `sampling` says otherwise."""
        self._next += 1
        chosen = Sampling(**{"temperature": 0, **sampling})
        text = prompt if isinstance(prompt, str) else list(prompt)
        generation = Generation(
            prompt=text, suffix=suffix, infill=infill, sampling=chosen, options=options, client=client
        )
        self.inbox.put(Generate(self._next, generation))
        return self._next

    def cancel(self, id_: int) -> None:
        self.inbox.put(Cancel(id_))

    def finished(self, id_: int, *, within: float = 120) -> Finished:
        """How a request ended; fails the test where it failed."""
        ended = self.ended(id_, within=within)
        assert isinstance(ended, Done), ended
        return ended.finished

    def ended(self, id_: int, *, within: float = 120) -> Done | Failed:
        with self._changed:
            assert self._changed.wait_for(lambda: id_ in self._ended, within), f"request {id_} does not end"
            return self._ended[id_]

    def text(self, id_: int, choice: int = 0) -> str:
        """What was told so far."""
        with self._changed:
            return "".join(self._texts.get((id_, choice), ()))

    def started(self, id_: int, *, within: float = 60) -> None:
        """Wait for the first piece."""
        with self._changed:
            assert self._changed.wait_for(lambda: (id_, 0) in self._texts, within), f"request {id_} says nothing"

    def _take(self, answer: Answer) -> None:
        with self._changed:
            if isinstance(answer, Piece) and isinstance(answer.delta, Text):
                self._texts.setdefault((answer.id, answer.delta.choice), []).append(answer.delta.text)
            elif isinstance(answer, Done | Failed):
                self._ended[answer.id] = answer
            self._changed.notify_all()


def measure(loop: LiveLoop) -> CostCurve | None:
    """What steps cost, before anything runs."""
    begun = loop.cache.begin(())
    assert begun is not None
    try:
        measurement = costs.Measurement(loop.context)
        measurement.go_on(begun[0], lambda seconds: True)
        return measurement.curve
    finally:
        loop.cache.end(begun[0], keep=False)
