"""The step loop and one sequence, on a model that is a list of bytes."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from samovar_agent.engine.interface import Finished, Generation
from samovar_agent.engine.wire import Answer, Began, Cancel, Done, Failed, Generate, Piece, Unload
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.loop import Inbox, Loop
from samovar_agent.engine.worker.template import ChatTemplate
from samovar_protocol import FailureCode
from samovar_protocol.values import Message, Sampling

END = 0


class Bytes:
    """Says `reply`, a byte a token, and then ends its turn. - hook: called in each step."""

    def __init__(self, reply: bytes, context_length: int = 64, hook: Callable[[], bool] = lambda: True) -> None:
        self.reply, self.hook, self.context_length = reply, hook, context_length
        self.steps = self.open = self.next = 0

    def tokenize(self, prompt: str) -> list[int]:
        return list(prompt.encode())

    def piece(self, token: int) -> bytes:
        return bytes([token])

    def is_end(self, token: int) -> bool:
        return token == END

    def begin(self, tokens: Sequence[int], *, repeatable: bool) -> int:
        self.next = 0
        return 1

    def step_size(self, remaining: int) -> int:
        return min(remaining, 4)

    def evaluate(self, tokens: Sequence[int]) -> bool:
        self.steps += 1
        return self.hook()

    def sampler(self, sampling: Sampling, prompt: Sequence[int]) -> "Bytes":
        self.open += 1
        return self

    def sample(self) -> int:
        self.next += 1
        return self.reply[self.next - 1] if self.next <= len(self.reply) else END

    def close(self) -> None:
        self.open -= 1


def ask(id_: int, text: str = "hello", **sampling: object) -> Generate:
    chosen = Sampling(**sampling)  # type: ignore[arg-type]
    return Generate(id_, Generation(messages=[Message(role="user", content=text)], sampling=chosen))


class Bench:
    def __init__(self, model: Bytes) -> None:
        self.model, self.answers = model, list[Answer]()
        self.inbox = Inbox(Interrupt())
        template = ChatTemplate("{{ messages[0].content }}")
        self.loop = Loop(model, template, self.inbox, self.answers.append)

    def run(self, *commands: Generate | Cancel) -> list[Answer]:
        for command in commands:
            self.inbox.put(command)
        thread = threading.Thread(target=self.loop.run, daemon=True)
        thread.start()
        ids = {command.id for command in commands if isinstance(command, Generate)}
        ids -= {command.id for command in commands if isinstance(command, Cancel)}
        deadline = time.monotonic() + 10
        while ids - {answer.id for answer in self.answers if isinstance(answer, Done | Failed)}:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.inbox.put(Unload())
        thread.join(10)
        assert not thread.is_alive()
        assert self.model.open == 0, "a sampler was not freed"
        return self.answers

    def finished(self) -> Finished:
        return next(answer.finished for answer in self.answers if isinstance(answer, Done))

    def text(self) -> str:
        return "".join(answer.text for answer in self.answers if isinstance(answer, Piece))


def test_a_reply_begins_comes_and_ends() -> None:
    bench = Bench(Bytes("a ß!".encode()))
    answers = bench.run(ask(1))
    assert isinstance(answers[0], Began)
    assert isinstance(answers[-1], Done)
    assert bench.text() == "a ß!"
    assert sum(answer.tokens for answer in answers if isinstance(answer, Piece)) == 5
    finished = bench.finished()
    assert finished.finish_reason == "stop"
    assert (finished.stats.prompt_tokens, finished.stats.cached_tokens, finished.stats.completion_tokens) == (5, 1, 5)


@pytest.mark.parametrize(("most", "text", "reason"), [(1, "a", "length"), (3, "abc", "length"), (4, "abcd", "length")])
def test_the_limit_of_tokens_holds(most: int, text: str, reason: str) -> None:
    bench = Bench(Bytes(b"abcdef"))
    bench.run(ask(1, max_tokens=most))
    assert (bench.text(), bench.finished().finish_reason) == (text, reason)


def test_a_stop_text_ends_the_reply() -> None:
    bench = Bench(Bytes(b"one END two"))
    bench.run(ask(1, stop=["END"]))
    assert (bench.text(), bench.finished().finish_reason) == ("one ", "stop")


def test_the_end_of_the_context_ends_the_reply() -> None:
    bench = Bench(Bytes(b"x" * 100, context_length=8))
    bench.run(ask(1, "hello"))
    assert (bench.text(), bench.finished().finish_reason) == ("xxxx", "length")  # 5 + 3 places, and one more unread


def test_a_full_context_still_has_one_token() -> None:
    bench = Bench(Bytes(b"xyz", context_length=5))
    bench.run(ask(1, "hello"))
    assert bench.text() == "x"


def test_a_prompt_that_is_too_long_is_refused_and_the_next_one_runs() -> None:
    bench = Bench(Bytes(b"ok", context_length=8))
    answers = bench.run(ask(1, "nine byte"), ask(2))
    failure = next(answer.failure for answer in answers if isinstance(answer, Failed))
    assert failure.code == FailureCode.CONTEXT_OVERFLOW
    assert "9 tokens" in failure.message
    assert "holds 8" in failure.message
    assert failure.details == {"prompt_tokens": 9, "context_length": 8}
    assert bench.text() == "ok"


def test_an_empty_prompt_is_refused() -> None:
    (failed,) = Bench(Bytes(b"")).run(ask(1, ""))
    assert isinstance(failed, Failed)
    assert failed.failure.code == FailureCode.BAD_REQUEST


def test_a_defect_costs_one_request() -> None:
    steps = iter([RuntimeError("a defect")])

    def broken_once() -> bool:
        for error in steps:
            raise error
        return True

    bench = Bench(Bytes(b"ok", hook=broken_once))
    answers = bench.run(ask(1), ask(2))
    failure = next(answer.failure for answer in answers if isinstance(answer, Failed))
    assert failure.code == FailureCode.INTERNAL
    assert "a defect" in failure.message
    assert bench.text() == "ok"


def test_waiting_requests_follow_in_order() -> None:
    bench = Bench(Bytes(b"x"))
    answers = bench.run(ask(1), ask(2), ask(3))
    assert [answer.id for answer in answers if isinstance(answer, Began)] == [1, 2, 3]


def test_cancelling_a_waiting_request_forgets_it() -> None:
    answers = Bench(Bytes(b"x")).run(ask(1), ask(2), Cancel(2))
    assert {answer.id for answer in answers if isinstance(answer, Began | Piece | Done | Failed)} == {1}


def test_cancelling_the_running_request_takes_no_further_step() -> None:
    def hook() -> bool:
        if bench.model.steps == 5:
            bench.inbox.put(Cancel(1))
        return True

    bench = Bench(Bytes(b"x" * 50, hook=hook))
    bench.inbox.put(ask(1))
    bench.run(ask(2))
    assert not any(isinstance(answer, Done) and answer.id == 1 for answer in bench.answers)
    began_second = bench.answers.index(Began(2))
    assert all(getattr(answer, "id", 0) == 2 for answer in bench.answers[began_second:])
    assert sum(answer.tokens for answer in bench.answers if isinstance(answer, Piece) and answer.id == 1) <= 5


def test_an_interrupted_step_is_done_again_where_nobody_cancelled() -> None:
    def hook() -> bool:
        return bench.model.steps != 3

    bench = Bench(Bytes(b"abc", hook=hook))
    bench.run(ask(1))
    assert bench.text() == "abc"


def test_only_a_cancel_of_the_running_request_interrupts() -> None:
    interrupt = Interrupt()
    inbox = Inbox(interrupt)
    inbox.running(1)
    inbox.put(Cancel(2))
    assert not interrupt
    inbox.put(Cancel(1))
    assert interrupt
    inbox.running(2)
    assert not interrupt
    inbox.put(Unload())
    assert interrupt
