"""What reaches the loop: commands from the agent, and requests that are ready to be computed.

A request is made ready in a thread of its own, since rendering and tokenising a long conversation takes longer than a
step, and the replies that are being written must not wait for it. Questions are answered in another one: somebody may
ask for the tokens of a whole book, which no request is to wait for.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from samovar_agent.engine.interface import Finding, Question
from samovar_agent.engine.wire import (
    Answer,
    Answered,
    Ask,
    Cancel,
    Command,
    Embed,
    Failed,
    Generate,
    Rank,
    Unload,
)
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_protocol import FailureCode, SamovarError

Request = Generate | Embed | Rank
"""What is made ready for the loop."""
R = TypeVar("R")


class Inbox(Generic[R]):
    """Takes commands in the thread that reads them, and gives them to the loop's thread.

    - interrupt: set where a command ends what is being computed. - send: takes the failures of requests.
    """

    def __init__(self, interrupt: Interrupt, send: Callable[[Answer], None]) -> None:
        self._interrupt, self._send = interrupt, send
        self._items: SimpleQueue[Command | R] = SimpleQueue()
        self._waiting: SimpleQueue[tuple[float, Request | Ask]] = SimpleQueue()
        self._asked: SimpleQueue[tuple[float, Request | Ask]] = SimpleQueue()
        self._preparing: dict[int, bool] = {}  # id -> whether it was cancelled meanwhile
        self._computing: Collection[int] | None = ()
        self._lock = threading.Lock()

    def put(self, command: Command) -> None:
        """Hand a command over; one that ends all that is being computed interrupts it."""
        with self._lock:
            if isinstance(command, Request | Ask):
                self._preparing[command.id] = False
                (self._asked if isinstance(command, Ask) else self._waiting).put((time.monotonic(), command))
                if self._computing is None and not isinstance(command, Ask):
                    self._interrupt.set()
                return
            if isinstance(command, Cancel) and command.id in self._preparing:
                self._preparing[command.id] = True
                return
            self._items.put(command)
            ids = self._computing
            alone = isinstance(command, Cancel) and ids is not None and len(ids) == 1 and command.id in ids
            if isinstance(command, Unload) or alone or ids is None:
                self._interrupt.set()

    def computing(self, ids: Collection[int] | None) -> None:
        """Tell whose tokens are being computed now; None where it is for nobody, and any command may interrupt it."""
        with self._lock:
            self._computing = ids
            self._interrupt.clear()

    def get(self, *, timeout: float | None = 0.0) -> Command | R | None:
        """The next command or ready request; None where there is none within `timeout` seconds (None waits on)."""
        try:
            return self._items.get(block=timeout != 0, timeout=timeout)
        except Empty:
            return None

    @property
    def empty(self) -> bool:
        """Whether nothing waits, here or to be made ready."""
        return self._items.empty() and not self._preparing

    def prepare_with(
        self,
        prepare: Callable[[Request, float], R],
        discard: Callable[[R], None],
        answer_to: Callable[[Question], Finding],
    ) -> None:
        """Begin to make requests ready, each with the time of its arrival.

        - discard: frees one that was cancelled. - answer_to: answers what needs nothing to be computed.
        """

        def work(waiting: SimpleQueue[tuple[float, Request | Ask]]) -> None:
            while True:
                received, command = waiting.get()
                ready: R | None = None
                answer: Answer
                try:
                    if isinstance(command, Ask):
                        answer = Answered(command.id, answer_to(command.question))
                    else:
                        ready = prepare(command, received)
                except Exception as error:  # one request's failure must not cost the others their model
                    answer = Failed(command.id, as_failure(error).failure)
                with self._lock:
                    cancelled = self._preparing.pop(command.id)
                    if ready is not None and not cancelled:
                        self._items.put(ready)
                        continue
                if ready is not None:
                    discard(ready)
                elif not cancelled:
                    self._send(answer)
                    # Nothing for the loop to do, but while there is nothing else it has to say that it is well.
                    self._items.put(Cancel(command.id))

        for name, waiting in (("preparation", self._waiting), ("questions", self._asked)):
            threading.Thread(target=work, args=(waiting,), name=name, daemon=True).start()


def as_failure(error: Exception) -> SamovarError:
    """What the client is told of any exception; one that nobody expected is printed in full."""
    if isinstance(error, SamovarError):
        return error
    traceback.print_exception(error, file=sys.stderr)
    return SamovarError(
        FailureCode.INTERNAL,
        f"The engine failed on this request: {type(error).__name__}: {error}.",
        hint="The worker's log has the details.",
    )
