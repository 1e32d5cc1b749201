"""The worker's step loop: look at the commands, compute one step, say what came of it."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from queue import Empty, SimpleQueue

from samovar_agent.engine.interface import Generation
from samovar_agent.engine.wire import Answer, Cancel, Command, Failed, Generate, Load, Unload
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.queue import FairQueue
from samovar_agent.engine.worker.sequence import Computer, Sequence
from samovar_agent.engine.worker.template import ChatTemplate
from samovar_protocol import FailureCode, SamovarError


class Inbox:
    """Commands on their way from the thread that reads them to the loop, each with its time of arrival."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._commands: SimpleQueue[tuple[float, Command]] = SimpleQueue()
        self._running: int | None = None
        self._lock = threading.Lock()

    def put(self, command: Command) -> None:
        """Hand a command over; one that ends what is being computed interrupts it."""
        self._commands.put((time.monotonic(), command))
        with self._lock:
            if isinstance(command, Unload) or (isinstance(command, Cancel) and command.id == self._running):
                self._interrupt.set()

    def running(self, id_: int | None) -> None:
        """Tell which request is being computed now."""
        with self._lock:
            self._running = id_
            self._interrupt.clear()

    def get(self, *, wait: bool) -> tuple[float, Command] | None:
        """The next command; None where there is none and `wait` is false."""
        try:
            return self._commands.get(block=wait)
        except Empty:
            return None


class Loop:
    """One sequence at a time; the others wait in a fair queue."""

    def __init__(self, model: Computer, template: ChatTemplate, inbox: Inbox, send: Callable[[Answer], None]) -> None:
        self._model, self._template, self._inbox, self._send = model, template, inbox, send
        self._queue: FairQueue[tuple[int, Generation, float]] = FairQueue()
        self._sequence: Sequence | None = None

    def run(self) -> None:
        """Until a command says `Unload`."""
        while self._obey():
            if self._sequence is None:
                self._next()
            else:
                self._step(self._sequence)
        self._drop()

    def _obey(self) -> bool:
        """Do what all waiting commands say; waits for one where there is nothing to compute. False to end."""
        idle = self._sequence is None and not len(self._queue)
        while (arrival := self._inbox.get(wait=idle)) is not None:
            idle = False
            received, command = arrival
            match command:
                case Generate(id_, generation):
                    self._queue.put(generation.client, id_, (id_, generation, received))
                case Cancel(id_):
                    if self._sequence is not None and self._sequence.id == id_:
                        self._drop()
                    else:
                        self._queue.remove(id_)
                case Unload():
                    return False
                case Load():
                    raise RuntimeError("a worker loads one model, once")
        return True

    def _next(self) -> None:
        request = self._queue.take()
        if request is None:
            return
        id_, generation, received = request
        self._inbox.running(id_)
        try:
            self._sequence = Sequence(id_, generation, received, self._model, self._template)
        except Exception as error:  # one request's failure must not cost the others their model
            self._fail(id_, error)
            return
        self._emit(self._sequence.begin())

    def _step(self, sequence: Sequence) -> None:
        try:
            answers = sequence.step()
        except Exception as error:
            self._drop()
            self._fail(sequence.id, error)
            return
        self._emit(answers)
        if sequence.ended:
            self._drop()

    def _emit(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._send(answer)

    def _drop(self) -> None:
        if self._sequence is not None:
            self._sequence.close()
            self._sequence = None
        self._inbox.running(None)

    def _fail(self, id_: int, error: Exception) -> None:
        if not isinstance(error, SamovarError):
            traceback.print_exception(error, file=sys.stderr)
            error = SamovarError(
                FailureCode.INTERNAL,
                f"The engine failed on this request: {type(error).__name__}: {error}.",
                hint="The worker's log has the details.",
            )
        self._send(Failed(id_, error.failure))
