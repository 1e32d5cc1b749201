"""What reaches the loop, and what interrupts it."""

from __future__ import annotations

import threading
import time

import pytest

from samovar_agent.engine.interface import Generation, LoadOptions, Question, Tokenization, Tokenized
from samovar_agent.engine.wire import Answer, Answered, Ask, Cancel, Command, Failed, Generate, Load, Unload
from samovar_agent.engine.worker.inbox import Inbox, Request
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Sampling


def generate(id_: int) -> Generate:
    return Generate(id_, Generation(sampling=Sampling()))


def letters(question: Question) -> Tokenized:
    assert isinstance(question, Tokenization)
    if "defect" in question.texts:
        raise ZeroDivisionError("a defect")
    return Tokenized(counts=list(map(len, question.texts)))


def test_tokens_are_counted_beside_what_is_computed() -> None:
    answers: list[Answer] = []
    interrupt = Interrupt()
    inbox: Inbox[str] = Inbox(interrupt, answers.append)
    inbox.computing(None)
    inbox.prepare_with(lambda request, received: "ready", lambda ready: None, letters)
    inbox.put(Ask(1, Tokenization(texts=["four", ""])))
    inbox.put(Ask(2, Tokenization(texts=["defect"])))
    # The loop hears of them, as of a refusal.
    assert [inbox.get(timeout=10), inbox.get(timeout=10)] == [Cancel(1), Cancel(2)]
    assert not interrupt, "nobody's step ends for it"
    counted, failed = answers
    assert counted == Answered(1, Tokenized(counts=[4, 0]))
    assert isinstance(failed, Failed)
    assert (failed.id, failed.failure.code) == (2, "internal")


def test_no_request_waits_for_the_tokens_of_a_book() -> None:
    inbox: Inbox[str] = Inbox(Interrupt(), lambda answer: None)
    entered, go_on = threading.Event(), threading.Event()

    def slow(question: Question) -> Tokenized:
        entered.set()
        go_on.wait(10)
        return letters(question)

    inbox.prepare_with(lambda request, received: "ready", lambda ready: None, slow)
    inbox.put(Ask(1, Tokenization(texts=["a book"])))
    assert entered.wait(10)
    inbox.put(generate(2))
    assert inbox.get(timeout=10) == "ready"
    go_on.set()
    assert inbox.get(timeout=10) == Cancel(1)


def test_requests_are_made_ready_in_a_thread_and_may_be_cancelled_there() -> None:
    answers: list[Answer] = []
    inbox: Inbox[str] = Inbox(Interrupt(), answers.append)
    entered, go_on = threading.Event(), threading.Event()
    discarded: list[str] = []

    def prepare(request: Request, received: float) -> str:
        entered.set()
        go_on.wait(10)
        if request.id == 3:
            raise SamovarError(FailureCode.CONTEXT_OVERFLOW, "Too long.")
        return f"ready {request.id}"

    inbox.prepare_with(prepare, discarded.append, letters)
    for id_ in (1, 2, 3):
        inbox.put(generate(id_))
    assert entered.wait(10)
    inbox.put(Cancel(1))
    go_on.set()
    assert inbox.get(timeout=10) == "ready 2"
    inbox.put(Cancel(2))
    # The loop hears of a refusal too, so that it can say that it is well.
    assert {inbox.get(timeout=10), inbox.get(timeout=10)} == {Cancel(2), Cancel(3)}
    deadline = time.monotonic() + 10
    while not inbox.empty and time.monotonic() < deadline:
        time.sleep(0.001)
    assert inbox.empty
    assert discarded == ["ready 1"]
    assert [answer.failure.code for answer in answers if isinstance(answer, Failed)] == ["context_overflow"]


def test_a_defect_in_making_ready_costs_one_request() -> None:
    answers: list[Answer] = []
    inbox: Inbox[str] = Inbox(Interrupt(), answers.append)

    def prepare(request: Request, received: float) -> str:
        if request.id == 1:
            raise ZeroDivisionError("a defect")
        return "ready"

    inbox.prepare_with(prepare, lambda ready: None, letters)
    inbox.put(generate(1))
    inbox.put(generate(2))
    assert [inbox.get(timeout=10), inbox.get(timeout=10)] == [Cancel(1), "ready"]
    (failed,) = answers
    assert isinstance(failed, Failed)
    assert (failed.id, failed.failure.code) == (1, "internal")
    assert "ZeroDivisionError" in failed.failure.message


@pytest.mark.parametrize(
    ("computing", "command", "interrupts"),
    [
        ({1}, Cancel(1), True),
        ({1, 2}, Cancel(1), False),  # the other would lose its step
        ({1}, Cancel(2), False),
        ((), Cancel(1), False),
        ({1, 2}, Unload(), True),
        (None, generate(5), True),  # what is computed for nobody gives way to anybody
        (None, Cancel(1), True),
        ({1}, generate(5), False),
        ({1}, Load(LoadOptions(path="", context_length=1, threads=1)), False),
    ],
)
def test_only_what_ends_all_that_is_computed_interrupts_it(
    computing: set[int] | tuple[()] | None, command: Command, interrupts: bool
) -> None:
    interrupt = Interrupt()
    inbox: Inbox[str] = Inbox(interrupt, lambda answer: None)
    inbox.computing(computing)
    inbox.put(command)
    assert bool(interrupt) is interrupts
    inbox.computing(())
    assert not interrupt
