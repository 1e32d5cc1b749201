"""The worker's two pipes. A thread of its own stands at each, so that computing never waits for either."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from samovar_agent.engine.wire import Answer, BrokenStreamError, Command, Piece, command_decoder, encode, joined

_READ_BYTES = 65536
_PIECE_SECONDS = 0.05
"""Nobody sees twenty pieces a second arrive one by one, but each takes the agent and its client time on cores that the
computing shares: on 2 cores, 30 ms cost 2 to 4 % of the speed."""


def read_commands(descriptor: int, take: Callable[[Command], None]) -> None:
    """Hand every command to `take`, in a thread. The end of the pipe is the end of the agent, and of this process."""

    def read() -> None:
        decoder = command_decoder()
        try:
            while data := os.read(descriptor, _READ_BYTES):
                for command in decoder.feed(data):
                    take(command)
        except (OSError, BrokenStreamError) as error:
            sys.stderr.write(f"The agent's pipe broke: {error}\n")
            sys.stderr.flush()
        os._exit(0)

    threading.Thread(target=read, name="commands", daemon=True).start()


class Outbox:
    """Sends answers in a thread. Pieces of one reply that come close together, or wait for a full pipe, grow into one.

    The first piece and everything else goes out at once.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._answers: list[Answer] = []
        self._urgent = self._closed = False
        self._next_piece = 0.0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="answers", daemon=True)
        self._thread.start()

    def send(self, answer: Answer) -> None:
        """Say something; never blocks."""
        with self._changed:
            if isinstance(answer, Piece):
                last = self._answers[-1] if self._answers else None
                if isinstance(last, Piece) and (both := joined(last, answer)):
                    self._answers[-1] = both
                    return
            else:
                self._urgent = True
            self._answers.append(answer)
            if self._urgent or len(self._answers) == 1:  # otherwise it knows that there is something
                self._changed.notify()

    def close(self) -> None:
        """Send what is left."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._answers or self._closed)
                self._changed.wait_for(lambda: self._urgent or self._closed, self._next_piece - time.monotonic())
                answers, self._answers, self._urgent = self._answers, [], False
                if answers and isinstance(answers[-1], Piece):
                    self._next_piece = time.monotonic() + _PIECE_SECONDS
            if not answers:
                return
            data = memoryview(b"".join(map(encode, answers)))
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:  # nobody reads any more; the other pipe's end is about to say so too
                os._exit(0)
