"""A prompt whose own tokens are looked at: each once, in order, behind what really was computed before it."""

from __future__ import annotations

import math

import pytest

from samovar_agent.engine.wire import Piece
from samovar_agent.engine.worker.context import NoRoomError
from samovar_agent.engine.worker.scheduler import SCORED_TOKENS
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions, Text, TokenLogprob
from tests.samovar_agent.engine.worker.fake_context import FakeChooser, FakeContext, written
from tests.samovar_agent.engine.worker.fake_worker import Worker, prompt

OPTIONS = ChatOptions(logprobs=True)


class Looking(Worker):
    """Notes of each token that is looked at what stood before it."""

    def score(self, tokens: list[int], count: int, *, first: int = 0, client: str = "") -> int:
        id_ = self.submit(tokens, count, options=OPTIONS, client=client, unscored=first)
        chooser = self.choosers[-1]

        def logprobs(context: FakeContext, index: int, token: int, top: int) -> TokenLogprob:
            before = context.rows.get(index, [])
            return TokenLogprob(text=str(token), data=bytes(before), logprob=-float(len(before)))

        chooser.logprobs = logprobs  # type: ignore[method-assign]
        return id_

    def told(self, id_: int) -> list[TokenLogprob]:
        """Of the prompt's tokens."""
        deltas = [answer.delta for answer in self.answers if isinstance(answer, Piece) and answer.id == id_]
        scored = [delta for delta in deltas if isinstance(delta, Text) and not delta.tokens]
        assert all(not delta.text for delta in scored)
        assert deltas[: len(scored)] == scored, "they come before the reply"
        return [token for delta in scored for token in delta.logprobs]


def check(told: list[TokenLogprob], tokens: list[int], first: int = 0) -> None:
    assert [token.text for token in told] == [str(token) for token in tokens[first:]]
    for place, token in enumerate(told, first):
        if place:
            assert token.data == bytes(tokens[:place]), "it is judged by what is before it"
        else:
            assert math.isnan(token.logprob)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 100])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("count", [1, 5])
def test_every_token_is_told_once_and_then_the_reply(length: int, first: int, count: int) -> None:
    worker = Looking(FakeContext())
    tokens = prompt(1, length)
    id_ = worker.score(tokens, count, first=first)
    worker.run()
    check(worker.told(id_), tokens, first)
    assert worker.tokens(id_) == written(tokens, count)


def test_what_was_computed_before_is_computed_again() -> None:
    worker = Looking(FakeContext())
    tokens = prompt(1, 100)
    worker.submit(tokens, 5)
    worker.run()
    id_ = worker.score(tokens, 1)
    worker.run()
    check(worker.told(id_), tokens)
    assert worker.done(id_).finished.stats.cached_tokens == 0
    again = worker.submit(tokens, 5)
    worker.run()
    assert worker.done(again).finished.stats.cached_tokens == 99, "others may use it"


def test_many_at_once_beside_replies() -> None:
    worker = Looking(FakeContext(cells=4000))
    system = prompt(9, 60)
    scored = {seed: [*system, *prompt(seed, 30)] for seed in range(5)}
    ids = {worker.score(tokens, 3, client=str(seed)): tokens for seed, tokens in scored.items()}
    plain = {worker.submit(prompt(seed, 40), 30, client=str(seed)): seed for seed in range(20, 25)}
    worker.run()
    for id_, tokens in ids.items():
        check(worker.told(id_), tokens)
        assert worker.tokens(id_) == written(tokens, 3)
    for id_, seed in plain.items():
        assert worker.tokens(id_) == written(prompt(seed, 40), 30)
        assert worker.told(id_) == []


def test_one_that_loses_its_place_tells_nothing_twice() -> None:
    worker = Looking(FakeContext(cells=300))
    first, second = prompt(1, 100), prompt(2, 150)
    one, other = worker.submit(first, 120, client="a"), worker.score(second, 20, client="b")
    worker.run()
    assert worker.tokens(one) == written(first, 120)
    check(worker.told(other), second)
    assert worker.tokens(other) == written(second, 20)


def test_a_step_without_room_is_tried_again() -> None:
    context = FakeContext(cells=1000, room=160)
    worker = Looking(context)
    before = worker.submit(prompt(1, 80), 5)
    worker.run()
    assert worker.tokens(before)
    id_ = worker.score(prompt(2, 120), 3)
    worker.run()
    check(worker.told(id_), prompt(2, 120))


def test_a_step_that_fails_once_for_want_of_room() -> None:
    context = FakeContext()
    context.fail_at[1] = NoRoomError()
    worker = Looking(context)
    ids = [worker.score(prompt(seed, 60), 2, client=str(seed)) for seed in (1, 2)]
    worker.run()
    for id_, seed in zip(ids, (1, 2), strict=True):
        check(worker.told(id_), prompt(seed, 60))


def test_a_failure_costs_nobody_else_anything() -> None:
    worker = Looking(FakeContext())
    broken = worker.score(prompt(1, 50), 5, client="a")
    fine = worker.score(prompt(2, 50), 5, client="b")

    def fails(context: FakeContext, index: int, token: int, top: int) -> TokenLogprob:
        raise SamovarError(FailureCode.INTERNAL, "No.")

    worker.choosers[0].logprobs = fails  # type: ignore[method-assign]
    worker.run()
    assert worker.failure(broken) == "internal"
    check(worker.told(fine), prompt(2, 50))
    assert worker.tokens(fine) == written(prompt(2, 50), 5)


def test_steps_stay_short() -> None:
    context = FakeContext(sequences=64)
    worker = Looking(context)
    id_ = worker.score(prompt(1, 200), 1)
    worker.run()
    check(worker.told(id_), prompt(1, 200))
    assert max(part.outputs for step in context.steps for part in step) == SCORED_TOKENS
    assert isinstance(worker.choosers[0], FakeChooser)
