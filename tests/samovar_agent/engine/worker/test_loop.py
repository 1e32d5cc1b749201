"""The order of events, on a fake context whose every token depends on all tokens before it."""

from __future__ import annotations

from typing import cast

import pytest

from samovar_agent.engine.wire import Began, Cancel, Done, Failed, Piece, Reading, Unload
from samovar_agent.engine.worker import costs
from samovar_agent.engine.worker.context import Context, NoRoomError
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions
from tests.samovar_agent.engine.worker.fake_context import FakeContext, written
from tests.samovar_agent.engine.worker.fake_worker import CURVE, Worker, fail_after, prompt


def test_a_reply_is_what_the_model_writes() -> None:
    worker = Worker(FakeContext())
    id_ = worker.submit(prompt(1, 30), 20)
    worker.run()
    assert worker.tokens(id_) == written(prompt(1, 30), 20)
    finished = worker.done(id_).finished
    assert finished.finish_reasons == ["length"]
    assert (finished.stats.prompt_tokens, finished.stats.completion_tokens) == (30, 20)
    assert [type(answer) for answer in worker.answers if not isinstance(answer, Piece)][:1] == [Began]


def test_how_far_a_long_prompt_is_read_is_told_between_its_steps() -> None:
    worker = Worker(FakeContext(cells=4000))
    ids = [worker.submit(prompt(1, 2048), 2), worker.submit([*prompt(1, 2048), *prompt(2, 1000)], 2)]
    worker.run()
    worker.submit(prompt(3, 500), 20)
    worker.run()
    told = {id_: [one.progress for one in worker.answers if isinstance(one, Reading) and one.id == id_] for id_ in ids}
    assert told[ids[0]] == [0.25, 0.5, 0.75], "not at the end, which the first token tells"
    assert told[ids[1]] == sorted(told[ids[1]]) and told[ids[1]][0] > 0.67, "from what is in memory on"
    assert len([one for one in worker.answers if isinstance(one, Reading)]) == sum(map(len, told.values()))
    first = [answer for answer in worker.answers if getattr(answer, "id", None) == ids[0]]
    assert [type(answer) for answer in first[:5]] == [Began, Reading, Reading, Reading, Piece]


def test_several_replies_to_a_long_prompt_tell_of_it_once() -> None:
    worker = Worker(FakeContext(cells=4000))
    id_ = worker.submit(prompt(1, 1024), 20, options=ChatOptions(n=2))
    worker.run()
    assert [one for one in worker.answers if isinstance(one, Reading)] == [Reading(id_, 0.5)]


def test_replies_are_the_same_side_by_side_as_alone() -> None:
    worker = Worker(FakeContext(cells=4000))
    requests = {worker.submit(prompt(seed, 20 + 13 * seed), 30, client=str(seed)): seed for seed in range(8)}
    worker.run()
    for id_, seed in requests.items():
        assert worker.tokens(id_) == written(prompt(seed, 20 + 13 * seed), 30)
    assert max(len(step) for step in worker.context.steps) == 8


def test_a_second_turn_computes_only_what_is_new() -> None:
    worker = Worker(FakeContext())
    first = prompt(1, 100)
    reply = written(first, 10)
    worker.submit(first, 10)
    worker.run()
    second = worker.submit([*first, *reply, *prompt(2, 5)], 10)
    worker.run()
    # All but the newest token of the first reply, which was never computed.
    assert worker.done(second).finished.stats.cached_tokens == 109
    assert worker.tokens(second) == written([*first, *reply, *prompt(2, 5)], 10)


def test_four_that_share_a_long_beginning_compute_it_once() -> None:
    worker = Worker(FakeContext(cells=4000))
    system = prompt(1, 700)
    ids = [worker.submit([*system, *prompt(seed, 10)], 5, client=str(seed)) for seed in range(2, 6)]
    worker.run()
    computed = sum(len(part.tokens) for step in worker.context.steps for part in step)
    assert computed < 700 + 4 * (10 + 5) + 10
    for seed, id_ in enumerate(ids, 2):
        assert worker.tokens(id_) == written([*system, *prompt(seed, 10)], 5)


def test_several_replies_to_one_prompt_share_it() -> None:
    worker = Worker(FakeContext())
    id_ = worker.submit(prompt(1, 200), 8, options=ChatOptions(n=3))
    worker.run()
    assert all(worker.tokens(id_, choice) == written(prompt(1, 200), 8) for choice in range(3))
    assert worker.done(id_).finished.finish_reasons == ["length"] * 3
    assert worker.done(id_).finished.stats.completion_tokens == 24
    assert sum(len(part.tokens) for step in worker.context.steps for part in step) < 200 + 3 * 9


def test_guessing_ahead_changes_nothing_and_saves_steps() -> None:
    slow, fast = Worker(FakeContext()), Worker(FakeContext())
    fast.loop._costs.curve = CURVE
    text = prompt(1, 15) * 3
    ids = slow.submit(text, 60), fast.submit(text, 60)
    slow.run()
    fast.run()
    assert slow.tokens(ids[0]) == fast.tokens(ids[1]) == written(text, 60)
    stats = fast.done(ids[1]).finished.stats
    assert stats.accepted_tokens > 20
    assert len(fast.context.steps) < len(slow.context.steps) - 20
    assert stats.accepted_tokens + len(fast.context.steps) == 60


def test_a_request_may_do_without_guessing() -> None:
    worker = Worker(FakeContext())
    worker.loop._costs.curve = CURVE
    id_ = worker.submit(prompt(1, 15) * 3, 60, options=ChatOptions(speculation=False))
    worker.run()
    assert worker.done(id_).finished.stats.drafted_tokens == 0


def test_the_models_own_end_and_stop_texts_end_a_reply_inside_of_a_guess() -> None:
    text = prompt(1, 15) * 3
    expected = written(text, 60)
    stop = expected[40]
    at = expected.index(stop)
    worker = Worker(FakeContext())
    worker.loop._costs.curve = CURVE
    worker.stop = stop
    id_ = worker.submit(text, 60)
    worker.run()
    assert worker.tokens(id_) == expected[:at]
    assert worker.done(id_).finished.finish_reasons == ["stop"]


def test_a_full_memory_forgets_what_was_used_longest_ago() -> None:
    worker = Worker(FakeContext(cells=300))
    for seed in range(5):
        id_ = worker.submit(prompt(seed, 100), 10)
        worker.run()
        assert worker.tokens(id_) == written(prompt(seed, 100), 10)
    again = worker.submit(prompt(4, 100), 10)
    worker.run()
    assert worker.done(again).finished.stats.cached_tokens == 99


def test_memory_that_runs_out_in_the_middle_makes_one_wait_and_loses_nothing() -> None:
    worker = Worker(FakeContext(cells=300))
    requests = {worker.submit(prompt(seed, 60), 100, client=str(seed)): seed for seed in range(4)}
    worker.run()
    for id_, seed in requests.items():
        assert worker.tokens(id_) == written(prompt(seed, 60), 100)


def test_a_reply_alone_ends_where_the_context_does() -> None:
    worker = Worker(FakeContext(cells=100))
    id_ = worker.submit(prompt(1, 90), 50)
    worker.run()
    assert worker.done(id_).finished.finish_reasons == ["length"]
    assert worker.tokens(id_) == written(prompt(1, 90), 11)


def test_a_step_without_room_in_windows_forgets_and_goes_on() -> None:
    context = FakeContext()
    worker = Worker(context)
    worker.submit(prompt(9, 50), 3)
    worker.run()
    steps = len(context.steps)
    context.fail_at = {steps: NoRoomError(), steps + 1: NoRoomError()}
    ids = [worker.submit(prompt(seed, 50), 10) for seed in range(2)]
    worker.run()
    for seed, id_ in enumerate(ids):
        assert worker.tokens(id_) == written(prompt(seed, 50), 10)


def test_memory_that_cannot_go_back_shares_whole_sequences_only() -> None:
    worker = Worker(FakeContext(only_whole=True))
    first = prompt(1, 100)
    worker.submit(first, 10)
    worker.run()
    turn = [*first, *written(first, 10), *prompt(2, 5)]
    second = worker.submit(turn, 10)
    worker.run()
    assert worker.tokens(second) == written(turn, 10)
    assert worker.done(second).finished.stats.cached_tokens == 109
    # The first prompt's end was remembered too, and serves one that goes on otherwise.
    other = worker.submit([*first, *prompt(3, 7)], 10)
    worker.run()
    assert worker.tokens(other) == written([*first, *prompt(3, 7)], 10)
    assert worker.done(other).finished.stats.cached_tokens == 100


def test_a_cancelled_request_stops_within_one_step_and_costs_the_others_nothing() -> None:
    worker = Worker(FakeContext())
    first, second = worker.submit(prompt(1, 40), 50), worker.submit(prompt(2, 40), 50)
    told: list[int] = []

    def cancel(number: int) -> None:
        if number == 10:
            worker.command(Cancel(first))
        told.append(len(worker.tokens(first)))

    worker.after_step = cancel
    worker.run()
    assert worker.tokens(second) == written(prompt(2, 40), 50)
    assert len(worker.tokens(first)) - told[9] <= 1
    assert not any(isinstance(answer, Done | Failed) and answer.id == first for answer in worker.answers)


def test_cancelling_what_waits_or_is_unknown_is_quiet() -> None:
    worker = Worker(FakeContext(sequences=2))
    ids = [worker.submit(prompt(seed, 40), 20) for seed in range(3)]
    worker.after_step = lambda number: worker.command(Cancel(ids[2])) if number == 2 else worker.command(Cancel(99))
    worker.run()
    assert worker.tokens(ids[2]) == []
    assert worker.tokens(ids[1]) == written(prompt(1, 40), 20)


def test_an_interrupted_step_is_simply_done_again() -> None:
    context = FakeContext()
    context.interrupt_at = {0, 3, 4}
    worker = Worker(context)
    id_ = worker.submit(prompt(1, 40), 20)
    worker.run()
    assert worker.tokens(id_) == written(prompt(1, 40), 20)


def test_unloading_ends_at_once_and_frees_everything() -> None:
    worker = Worker(FakeContext(sequences=2))
    for seed in range(3):
        worker.submit(prompt(seed, 40), 500)
    worker.after_step = lambda number: worker.command(Unload()) if number == 5 else None
    worker.run()
    assert len(worker.context.steps) == 5


def test_what_steps_cost_is_measured_when_nobody_waits_and_gone_on_with_after_a_request() -> None:
    worker = Worker(FakeContext(sequences=32))
    measurement = worker.loop._costs = costs.Measurement(cast(Context, worker.context))
    worker.loop._patient_until = 0.0
    ids = []

    def request(number: int) -> None:
        if number in (3, 20):
            ids.append(worker.submit(prompt(number, 30), 5))

    worker.after_step = request
    worker.run()
    assert measurement.finished
    assert [worker.tokens(id_) for id_ in ids] == [written(prompt(number, 30), 5) for number in (3, 20)]
    # Two requests of one step for the prompt and four more, and each time the first step of a sequence again.
    assert len(worker.context.steps) == 1 + 3 * 5 + 2 * (5 + 1)


def test_a_request_that_comes_with_the_load_waits_for_a_short_measurement() -> None:
    worker = Worker(FakeContext(sequences=32))
    measurement = worker.loop._costs = costs.Measurement(cast(Context, worker.context))
    curves = []

    def request(number: int) -> None:
        if number == 1:
            worker.submit(prompt(1, 30), 5)
        curves.append(measurement.curve)

    worker.after_step = request
    worker.run()
    assert worker.context.steps[-1][0].tokens != (0,), "the request came last"
    assert curves[-5:] == [measurement.curve] * 5


def test_a_failing_step_fails_who_ran_and_nobody_else() -> None:
    context = FakeContext()
    context.fail_at = {5: SamovarError(FailureCode.INTERNAL, "llama.cpp could not compute.")}
    worker = Worker(context)
    first = worker.submit(prompt(1, 40), 20)
    later: list[int] = []
    worker.after_step = lambda number: later.append(worker.submit(prompt(2, 40), 20)) if number == 7 else None
    second = worker.submit(prompt(3, 40), 20)
    third: list[int] = []
    worker.run()
    assert worker.failure(first) == worker.failure(second) == "internal"
    worker.after_step = lambda number: None
    third.append(worker.submit(prompt(1, 40), 20))
    worker.run()
    assert worker.tokens(third[0]) == written(prompt(1, 40), 20)


def test_a_sampler_that_fails_costs_its_own_request_only() -> None:
    worker = Worker(FakeContext())
    broken, sound = worker.submit(prompt(1, 40), 20), worker.submit(prompt(2, 40), 20)
    fail_after(worker.choosers[0], 3)
    worker.run()
    assert worker.failure(broken) == "bad_request"
    assert worker.tokens(sound) == written(prompt(2, 40), 20)


@pytest.mark.parametrize("failing_choice", [0, 1])
def test_what_a_failed_reply_and_its_siblings_computed_can_be_gone_on_with(failing_choice: int) -> None:
    worker = Worker(FakeContext())
    worker.loop._costs.curve = CURVE
    text = prompt(1, 15) * 3
    broken = worker.submit(text, 60, options=ChatOptions(n=2))
    fail_after(worker.choosers[failing_choice], 22)  # inside of a draft
    worker.run()
    assert worker.failure(broken) == "bad_request"
    told = worker.tokens(broken, failing_choice)
    assert told == written(text, 60)[: len(told)]
    again = worker.submit([*text, *told, 30], 20)
    worker.run()
    assert worker.tokens(again) == written([*text, *told, 30], 20)


def test_a_grammar_that_allows_nothing_more_ends_the_reply() -> None:
    worker = Worker(FakeContext())
    id_ = worker.submit(prompt(1, 40), 20)
    sample = worker.choosers[0].sample

    def until_five(context: FakeContext, index: int) -> int:
        worker.choosers[0].exhausted = len(worker.tokens(id_)) == 5
        return sample(context, index)

    worker.choosers[0].sample = until_five  # type: ignore[method-assign]
    worker.run()
    assert worker.tokens(id_) == written(prompt(1, 40), 5)
    assert worker.done(id_).finished.finish_reasons == ["stop"]


def test_a_client_with_many_requests_delays_another_by_one() -> None:
    worker = Worker(FakeContext(sequences=2))  # one place
    many = [worker.submit(prompt(seed, 10), 5, client="many") for seed in range(5)]
    other = worker.submit(prompt(9, 10), 5, client="other")
    worker.run()
    order = [answer.id for answer in worker.answers if isinstance(answer, Done)]
    assert order.index(other) <= 1
    assert sorted(order) == sorted([*many, other])


def test_a_seed_alone_begins_in_an_empty_memory_and_guesses_nothing() -> None:
    worker = Worker(FakeContext())
    worker.loop._costs.curve = CURVE
    text = prompt(1, 20) * 5
    worker.submit(text, 5)
    worker.run()
    seeded = worker.submit(text, 20, seed=1)
    worker.run()
    stats = worker.done(seeded).finished.stats
    assert (stats.cached_tokens, stats.drafted_tokens) == (0, 0)
    assert worker.tokens(seeded) == written(text, 20)


def test_a_seed_beside_others_costs_them_nothing() -> None:
    worker = Worker(FakeContext())
    text = prompt(1, 100)
    plain, seeded = worker.submit(text, 5), worker.submit(text, 5, seed=1)
    worker.run()
    assert worker.tokens(plain) == worker.tokens(seeded) == written(text, 5)
    assert worker.done(seeded).finished.stats.cached_tokens == 99
