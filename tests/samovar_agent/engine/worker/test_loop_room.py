"""Where memory, places or sequences are short: who waits, who goes on, and what is remembered all the same."""

from __future__ import annotations

from typing import Any, cast

import pytest

from samovar_agent.engine.wire import Began, Cancel, Done
from samovar_agent.engine.worker.attic import Attic
from samovar_agent.engine.worker.context import Context, NoRoomError
from samovar_agent.engine.worker.keeper import Keeper
from samovar_protocol.values import ChatOptions
from tests.samovar_agent.engine.worker.fake_context import FakeContext, written
from tests.samovar_agent.engine.worker.fake_worker import CURVE, Worker, prompt

BACKGROUND = ChatOptions(priority="background")


def began(worker: Worker) -> list[int]:
    return [answer.id for answer in worker.answers if isinstance(answer, Began)]


def ended(worker: Worker) -> list[int]:
    return [answer.id for answer in worker.answers if isinstance(answer, Done)]


def stop_at(worker: Worker, steps: int) -> None:
    """Fail instead of going round for ever."""

    def check(number: int) -> None:
        assert number < steps, "it does not come forward"

    worker.context.compute = counted(worker.context.compute, check, worker.context)  # type: ignore[method-assign]


def counted(compute: Any, check: Any, context: FakeContext) -> Any:
    def counting(parts: Any) -> Any:
        check(len(context.steps))
        return compute(parts)

    return counting


@pytest.mark.parametrize("cells", range(150, 190, 5))
def test_nobody_gives_way_to_a_guess(cells: int) -> None:
    worker = Worker(FakeContext(cells=cells))
    worker.loop._costs.curve = CURVE
    texts = [prompt(seed, 15) * 4 for seed in range(2)]
    ids = [worker.submit(text, 40) for text in texts]
    suspend = worker.loop._suspend_one

    def suspend_one() -> bool:
        assert worker.context.used + len(worker.loop._running) > cells, "there is room for a token each"
        return suspend()

    worker.loop._suspend_one = suspend_one  # type: ignore[method-assign]
    worker.run()
    for id_, text in zip(ids, texts, strict=True):
        assert worker.tokens(id_) == written(text, 40)


@pytest.mark.parametrize("kind", [{}, {"window": 10}, {"only_whole": True}])
def test_memory_with_less_room_than_it_has_cells_lets_one_after_the_other_through(kind: dict[str, Any]) -> None:
    worker = Worker(FakeContext(cells=1000, room=120, **kind))
    stop_at(worker, 2000)
    ids = [worker.submit(prompt(seed, 50), 30, client=str(seed)) for seed in range(4)]
    worker.run()
    for seed, id_ in enumerate(ids):
        assert worker.tokens(id_) == written(prompt(seed, 50), 30)


def test_waiting_for_room_costs_nothing_that_is_remembered() -> None:
    worker = Worker(FakeContext(cells=600, sequences=8))
    old, shared = prompt(1, 60), prompt(2, 60)
    worker.submit(old, 2)
    worker.run()
    worker.submit(shared, 2)
    worker.run()
    worker.submit(prompt(3, 50), 100)
    waiting = worker.submit([*shared, *prompt(4, 480)], 5, client="other")
    known: list[int] = []
    worker.after_step = lambda number: known.append(worker.cache.known([*old, 11])) if not has_begun() else None

    def has_begun() -> bool:
        return waiting in began(worker)

    worker.run()
    assert worker.tokens(waiting) == written([*shared, *prompt(4, 480)], 5)
    assert len(known) > 50
    assert set(known) == {60}


def test_the_same_again_and_again_does_not_push_out_what_else_is_remembered() -> None:
    worker = Worker(FakeContext(cells=4000, sequences=8))
    old = prompt(1, 60)
    worker.submit(old, 2)
    worker.run()
    for _ in range(20):
        worker.submit(prompt(2, 60), 2)
        worker.run()
    again = worker.submit([*old, 11], 2)
    worker.run()
    assert worker.done(again).finished.stats.cached_tokens == 60


@pytest.mark.parametrize("kind", [{"window": 10}, {"only_whole": True}])
def test_replies_to_one_prompt_keep_its_end_once(kind: dict[str, Any]) -> None:
    worker = Worker(FakeContext(cells=4000, sequences=8, **kind))
    worker.submit(prompt(1, 60), 5, options=ChatOptions(n=3))
    worker.run()
    held = [tokens for _, tokens in worker.cache.finished()]
    assert held.count(prompt(1, 60)) == 1


def test_who_waits_for_anothers_beginning_counts_for_its_client() -> None:
    worker = Worker(FakeContext(cells=4000, sequences=8))  # four places
    system = prompt(1, 700)
    many = [worker.submit([*system, *prompt(seed, 5)], 50, client="many") for seed in range(2, 8)]
    other: list[int] = []
    worker.after_step = lambda number: (
        other.append(worker.submit(prompt(9, 10), 5, client="other")) if number == 1 else None
    )
    worker.run()
    assert ended(worker)[0] == other[0]
    assert set(ended(worker)) == {*many, *other}


def test_a_background_reply_that_gave_way_holds_up_no_interactive_one() -> None:
    worker = Worker(FakeContext(cells=400))
    background = worker.submit(prompt(1, 200), 150, options=BACKGROUND, client="index")
    long = worker.submit(prompt(2, 60), 250, client="a")
    short: list[int] = []

    def more(number: int) -> None:
        if not short and worker.loop._suspended:
            short.append(worker.submit(prompt(3, 10), 3, client="b"))

    worker.after_step = more
    worker.run()
    assert short
    assert ended(worker).index(short[0]) == 0
    assert worker.tokens(background) == written(prompt(1, 200), 150)
    assert worker.tokens(long) == written(prompt(2, 60), 250)


def test_replies_in_the_background_leave_places_to_others() -> None:
    worker = Worker(FakeContext(cells=4000, sequences=8))  # four places
    for number in range(6):
        worker.submit(prompt(number, 20), 100, options=BACKGROUND, client=str(number % 3))
    questions: list[int] = []
    worker.after_step = lambda number: (
        questions.append(worker.submit(prompt(9, 20), 5, client="person")) if number == 5 else None
    )
    worker.run()
    assert ended(worker)[0] == questions[0]
    assert len(ended(worker)) == 7


def test_who_waits_lends_its_priority_to_whom_it_waits_for() -> None:
    worker = Worker(FakeContext(cells=40_000))
    system = prompt(1, 2000)
    worker.submit([*system, 11], 1, options=BACKGROUND, client="index")
    question: list[int] = []

    def more(number: int) -> None:
        if number == 1:
            question.append(worker.submit([*system, 12], 1, client="person"))
            for seed in range(4):
                worker.submit(prompt(100 + seed, 3000), 1, client="books")

    worker.after_step = more
    worker.run()
    assert ended(worker).index(question[0]) < 2


def test_prefixes_that_cannot_come_back_for_want_of_room_push_nothing_out() -> None:
    context = FakeContext(cells=1000)
    worker = Worker(context)
    attic = Attic(1 << 20)
    worker.loop._keeper = Keeper(cast(Context, context), worker.cache, attic, None)
    old, long = prompt(1, 100), prompt(2, 800)
    worker.submit(long, 2)
    worker.run()
    worker.submit(prompt(3, 10), 1)
    worker.run()
    assert [parked.tokens[:10] for parked in attic.all()] == [long[:10]]
    worker.submit(old, 2)
    worker.run()
    running = worker.submit(prompt(4, 200), 60)
    later: list[int] = []
    worker.after_step = lambda number: (
        later.append(worker.submit([*long[:70], *prompt(5, 100)], 3)) if worker.loop._running and not later else None
    )
    worker.run()
    assert worker.tokens(running) == written(prompt(4, 200), 60)
    assert worker.tokens(later[0]) == written([*long[:70], *prompt(5, 100)], 3)
    again = worker.submit([*old, 11], 1)
    worker.run()
    assert worker.done(again).finished.stats.cached_tokens == 100


def test_what_finished_replies_share_is_parked_too() -> None:
    context = FakeContext(cells=4000)
    worker = Worker(context)
    worker.loop._keeper = Keeper(cast(Context, context), worker.cache, Attic(1 << 20), None)
    for seed in range(2, 5):
        worker.submit([*prompt(1, 700), *prompt(seed, 10)], 2)
        worker.run()
    assert worker.cache.used > 700
    worker.submit(prompt(9, 20), 2)
    worker.run()
    assert worker.cache.used < 30


def test_who_waits_for_room_finds_its_parked_prefix_when_there_is_some() -> None:
    context = FakeContext(cells=1000)
    worker = Worker(context)
    attic = Attic(1 << 20)
    worker.loop._keeper = Keeper(cast(Context, context), worker.cache, attic, None)
    talk = prompt(1, 600)
    worker.submit(talk, 2)
    worker.run()
    worker.submit(prompt(2, 450), 40)
    again: list[int] = []
    small: list[int] = []

    def more(number: int) -> None:
        if worker.loop._running and not again:
            again.append(worker.submit([*talk, 11], 2, client="other"))
        if number > 20 and not small:
            small.append(worker.submit(prompt(3, 20), 2, client="third"))

    worker.after_step = more
    worker.run()
    assert worker.done(again[0]).finished.stats.cached_tokens == 600
    assert small


def test_a_failed_step_for_want_of_room_is_not_repeated_for_ever() -> None:
    context = FakeContext()
    context.fail_at = dict.fromkeys(range(3, 400), NoRoomError())  # whenever two compute together
    worker = Worker(context)
    stop_at(worker, 400)
    ids = [worker.submit(prompt(seed, 40), 20, client=str(seed)) for seed in range(3)]
    worker.run()
    for seed, id_ in enumerate(ids):
        assert worker.tokens(id_) == written(prompt(seed, 40), 20)


def test_cancelling_the_one_that_others_wait_for_lets_them_begin() -> None:
    worker = Worker(FakeContext(cells=4000))
    system = prompt(1, 2000)
    first = worker.submit([*system, 11], 5)
    others = [worker.submit([*system, token], 5) for token in (12, 13)]
    worker.after_step = lambda number: worker.command(Cancel(first)) if number == 2 else None
    worker.run()
    computed = sum(len(part.tokens) for step in worker.context.steps for part in step)
    assert computed < 2100
    for token, id_ in zip((12, 13), others, strict=True):
        assert worker.tokens(id_) == written([*system, token], 5)
