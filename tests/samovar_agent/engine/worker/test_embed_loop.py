"""The loop of a worker that gives vectors, with jobs that compute nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from samovar_agent.engine.interface import Embedded, Embedding, Tokenized
from samovar_agent.engine.wire import Alive, Answer, Answered, Cancel, Embed, Failed, Unload
from samovar_agent.engine.worker.embed_loop import EmbedLoop, Texts
from samovar_agent.engine.worker.inbox import Inbox, Request
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_protocol import FailureCode, SamovarError

RESULT = Embedded(vectors=b"", dimensions=1, prompt_tokens=1, seconds=0.0)


class Job:
    """So many steps; number 13 fails."""

    result = RESULT

    def __init__(self, id_: int, steps: int, taken: list[int]) -> None:
        self.id, self.left, self.taken = id_, steps, taken

    def step(self, poll: Callable[[], None]) -> bool:
        if self.id == 13:
            raise SamovarError(FailureCode.INTERNAL, "No finite numbers.")
        self.taken.append(self.id)
        self.left -= 1
        time.sleep(0.001)
        return self.left > 0


class Bench:
    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.taken: list[int] = []
        self.inbox: Inbox[Any] = Inbox(Interrupt(), self.answers.append)
        self.thread = threading.Thread(target=EmbedLoop(self.inbox, self.answers.append).run, daemon=True)

    def start(self) -> None:
        """Begin to take steps; what was put before is there from the beginning."""
        self.inbox.prepare_with(self.prepare, lambda texts: None, lambda _: Tokenized(counts=[]))
        self.thread.start()

    def prepare(self, request: Request, received: float) -> Texts:
        assert isinstance(request, Embed)
        if not request.embedding.inputs:
            raise SamovarError(FailureCode.BAD_REQUEST, "Nothing to read.")
        job: Any = Job(request.id, len(request.embedding.inputs), self.taken)
        return Texts(request.id, request.embedding, job)

    def put(self, id_: int, steps: int, client: str = "", **options: Any) -> None:
        self.inbox.put(Embed(id_, Embedding(inputs=["x"] * steps, client=client, **options)))

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.001)

    @property
    def done(self) -> list[int]:
        return [answer.id for answer in self.answers if isinstance(answer, Answered)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.inbox.put(Unload())
    bench.thread.join(10)
    assert not bench.thread.is_alive()


def test_a_loop_that_waits_while_requests_are_refused_says_that_it_lives(bench: Bench) -> None:
    bench.start()
    bench.put(1, 0)
    bench.wait(lambda: any(isinstance(answer, Alive) for answer in bench.answers))
    assert isinstance(bench.answers[0], Failed)
    assert bench.taken == []


def test_clients_take_turns_and_background_comes_last(bench: Bench) -> None:
    texts = [(1, 3, "a", "interactive"), (2, 3, "b", "interactive"), (3, 2, "c", "background")]
    for id_, steps, client, priority in texts:
        job: Any = Job(id_, steps, bench.taken)
        embedding = Embedding(inputs=["x"], client=client, priority=priority)  # type: ignore[arg-type]
        bench.inbox._items.put(Texts(id_, embedding, job))
    bench.start()
    bench.wait(lambda: len(bench.done) == 3)
    assert bench.taken == [1, 2, 1, 2, 1, 2, 3, 3]
    assert bench.done == [1, 2, 3]


def test_a_cancelled_request_takes_no_further_step(bench: Bench) -> None:
    bench.start()
    bench.put(1, 100_000)
    bench.wait(lambda: len(bench.taken) > 2)
    bench.inbox.put(Cancel(1))
    bench.put(2, 1)
    bench.wait(lambda: bench.done == [2])
    assert bench.taken[-1] == 2


def test_a_job_that_fails_costs_nobody_else_anything(bench: Bench) -> None:
    bench.start()
    bench.put(13, 1)
    bench.put(2, 1)
    bench.wait(lambda: bench.done == [2])
    assert [(answer.id, answer.failure.code) for answer in bench.answers if isinstance(answer, Failed)] == [
        (13, "internal")
    ]
