"""Sharing, batching, guessing, saving and forgetting with real models: the text is that of a model left alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from samovar_agent.engine.interface import SnapshotOptions
from samovar_agent.engine.worker.snapshots import SnapshotStore
from samovar_protocol.values import ChatOptions
from tests.samovar_agent.engine.worker.live_loop import EAGER, LiveLoop, measure
from tests.samovar_agent.engine.worker.reference import TIE, Continuation, Reference
from tests.tiny_models.build import CHAT_KINDS, Kind

TinyModel = Callable[[Kind], Path]
COUNT = 12


class Watched(LiveLoop):
    """Remembers the tokens of every reply."""

    def tokens(self, id_: int) -> list[int]:
        return self.written[id_]

    def __init__(self, path: Path, **options: object) -> None:
        super().__init__(path, **options)  # type: ignore[arg-type]
        self.written: dict[int, list[int]] = {}
        enqueue = self.loop._enqueue

        def watched(job: object) -> None:
            for branch in job.branches:  # type: ignore[attr-defined]
                take = branch.take

                def note(token: int, logprob: object, branch: object = branch, take: object = take) -> object:
                    if branch.choice == 0:  # type: ignore[attr-defined]
                        self.written.setdefault(branch.job.id, []).append(token)  # type: ignore[attr-defined]
                    return take(token, logprob)  # type: ignore[operator]

                branch.take = note
            enqueue(job)  # type: ignore[arg-type]

        self.loop._enqueue = watched  # type: ignore[method-assign]


def check(loop: Watched, id_: int, reference: Reference, prompt: Sequence[int], *, tie: float = TIE) -> None:
    """The reply is what the model says alone, up to its own end."""
    expected = reference.greedy(prompt, COUNT)
    ends = [index for index, token in enumerate(expected.tokens) if loop.model.is_end(token)]
    length = ends[0] + 1 if ends else COUNT
    Continuation(expected.tokens[:length], expected.margins[:length]).check(loop.tokens(id_)[:length], tie=tie)


def random_prompt(seed: int, length: int, vocabulary: int) -> list[int]:
    source = random.Random(seed)
    # A few words that come again, so that there is something to guess.
    words = [source.randrange(260, vocabulary) for _ in range(12)]
    return [source.choice(words) for _ in range(length)]


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_requests_side_by_side_say_what_each_says_alone(tiny_model: TinyModel, kind: Kind) -> None:
    with Watched(tiny_model(kind), curve=EAGER) as loop, Reference(tiny_model(kind)) as reference:
        size = loop.model.vocabulary_size
        system = random_prompt(0, 150, size)
        prompts = [[*system, *random_prompt(seed, 5 + 20 * seed, size)] for seed in range(1, 7)]
        ids = [loop.submit(prompt, max_tokens=COUNT, client=str(index)) for index, prompt in enumerate(prompts)]
        for id_, prompt in zip(ids, prompts, strict=True):
            loop.finished(id_)
            check(loop, id_, reference, prompt)


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_a_common_beginning_is_computed_once_side_by_side(tiny_model: TinyModel, kind: Kind) -> None:
    with Watched(tiny_model(kind), curve=EAGER) as loop, Reference(tiny_model(kind)) as reference:
        size = loop.model.vocabulary_size
        system = random_prompt(0, 600, size)
        prompts = [[*system, *random_prompt(seed, 5 + 20 * seed, size)] for seed in range(1, 4)]
        ids = [loop.submit(prompt, max_tokens=COUNT, client=str(index)) for index, prompt in enumerate(prompts)]
        cached = [loop.finished(id_).stats.cached_tokens for id_ in ids]
        assert cached[0] == 0
        assert all(tokens >= 600 for tokens in cached[1:])
        for id_, prompt in zip(ids, prompts, strict=True):
            check(loop, id_, reference, prompt)


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_a_common_beginning_is_known_from_the_third_conversation_on(tiny_model: TinyModel, kind: Kind) -> None:
    with Watched(tiny_model(kind), curve=EAGER) as loop, Reference(tiny_model(kind)) as reference:
        size = loop.model.vocabulary_size
        system = random_prompt(0, 300, size)
        for seed in range(1, 6):
            prompt = [*system, *random_prompt(seed, 40 * seed, size)]
            id_ = loop.submit(prompt, max_tokens=COUNT)
            cached = loop.finished(id_).stats.cached_tokens
            check(loop, id_, reference, prompt)
            if seed > 2:
                assert cached >= 300


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_turn_after_turn_says_what_a_fresh_start_says(tiny_model: TinyModel, kind: Kind) -> None:
    with Watched(tiny_model(kind), curve=EAGER) as loop, Reference(tiny_model(kind)) as reference:
        size = loop.model.vocabulary_size
        talks = [random_prompt(seed, 60, size) for seed in range(3)]
        for turn in range(5):
            for index, talk in enumerate(talks):
                id_ = loop.submit(talk, max_tokens=COUNT)
                finished = loop.finished(id_)
                check(loop, id_, reference, talk)
                if turn:
                    assert finished.stats.cached_tokens > 60
                talk += [*loop.tokens(id_), *random_prompt(10 * turn + index, 15, size)]


@pytest.mark.parametrize("kind", CHAT_KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_small_memory_with_cancels_says_the_same(tiny_model: TinyModel, kind: Kind, seed: int) -> None:
    source = random.Random(seed)
    with (
        Watched(tiny_model(kind), curve=EAGER, context_length=512) as loop,
        Reference(tiny_model(kind)) as reference,
    ):
        size = loop.model.vocabulary_size
        systems = [random_prompt(number, 120, size) for number in range(3)]
        wanted: dict[int, list[int]] = {}
        for number in range(24):
            base = source.choice(systems)[: source.randrange(20, 120)]
            prompt = [*base, *random_prompt(100 + number, source.randrange(1, 150), size)]
            id_ = loop.submit(prompt, max_tokens=COUNT, client=str(number % 3))
            if source.random() < 0.2:
                loop.cancel(id_)
            else:
                wanted[id_] = prompt
            if source.random() < 0.3:
                for waiting in wanted:
                    loop.finished(waiting)
        for id_, prompt in wanted.items():
            loop.finished(id_)
            check(loop, id_, reference, prompt)


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_what_was_saved_goes_on_right_after_a_restart(tiny_model: TinyModel, kind: Kind, tmp_path: Path) -> None:
    path = tiny_model(kind)
    snapshots = SnapshotOptions(folder=str(tmp_path / "s"), key_file=str(tmp_path / "key"), budget_bytes=1 << 30)
    with Watched(path, snapshots=snapshots) as loop:
        talk = random_prompt(1, 200, loop.model.vocabulary_size)
        id_ = loop.submit(talk, max_tokens=COUNT)
        loop.finished(id_)
        reply = loop.tokens(id_)
    with Watched(path, snapshots=snapshots) as loop, Reference(path) as reference:
        second = [*talk, *reply, *random_prompt(2, 10, loop.model.vocabulary_size)]
        id_ = loop.submit(second, max_tokens=COUNT)
        assert loop.finished(id_).stats.cached_tokens >= 200
        check(loop, id_, reference, second)
    with Watched(path, snapshots=snapshots, context_length=1024) as loop, Reference(path) as reference:
        id_ = loop.submit(second, max_tokens=COUNT)
        assert loop.finished(id_).stats.cached_tokens == 0, "a state of other settings was trusted"
        check(loop, id_, reference, second)


@pytest.mark.parametrize("kind", CHAT_KINDS)
@pytest.mark.parametrize("context_length", [1024, 4096])
def test_a_third_question_goes_on_after_a_restart_from_what_two_had_in_common(
    tiny_model: TinyModel, kind: Kind, context_length: int, tmp_path: Path
) -> None:
    path = tiny_model(kind)
    snapshots = SnapshotOptions(folder=str(tmp_path / "s"), key_file=str(tmp_path / "key"), budget_bytes=1 << 30)
    with Watched(path, snapshots=snapshots, context_length=context_length) as loop:
        document = random_prompt(1, 400, loop.model.vocabulary_size)
        for question in (2, 3):
            loop.finished(loop.submit([*document, *random_prompt(question, 6, 400)], max_tokens=COUNT))
    with Watched(path, snapshots=snapshots, context_length=context_length) as loop, Reference(path) as reference:
        third = [*document, *random_prompt(4, 6, 400)]
        id_ = loop.submit(third, max_tokens=COUNT)
        assert loop.finished(id_).stats.cached_tokens >= len(document)
        check(loop, id_, reference, third)


def test_a_spoilt_snapshot_is_computed_again(tiny_model: TinyModel, tmp_path: Path) -> None:
    path = tiny_model("llama")
    snapshots = SnapshotOptions(folder=str(tmp_path / "s"), key_file=str(tmp_path / "key"), budget_bytes=1 << 30)
    with Watched(path, snapshots=snapshots) as loop:
        talk = random_prompt(1, 200, loop.model.vocabulary_size)
        loop.finished(loop.submit(talk, max_tokens=COUNT))
    (file,) = (tmp_path / "s").glob("*.snapshot")
    data = bytearray(file.read_bytes())
    data[-5000] ^= 1
    file.write_bytes(data)
    with Watched(path, snapshots=snapshots) as loop, Reference(path) as reference:
        id_ = loop.submit(talk, max_tokens=COUNT)
        assert loop.finished(id_).stats.cached_tokens == 0
        check(loop, id_, reference, talk)
        assert not file.exists()


def test_an_idle_worker_saves_without_being_unloaded(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samovar_agent.engine.worker.loop._IDLE_SECONDS", 0.01)
    snapshots = SnapshotOptions(folder=str(tmp_path / "s"), key_file=str(tmp_path / "key"), budget_bytes=1 << 30)
    saved: list[int] = []
    save = SnapshotStore.save

    def noted(store: SnapshotStore, tokens: Sequence[int], state: bytes | memoryview) -> bool:
        saved.append(len(tokens))
        return save(store, tokens, state)

    monkeypatch.setattr(SnapshotStore, "save", noted)
    with Watched(tiny_model("llama"), snapshots=snapshots) as loop:
        loop.finished(loop.submit(random_prompt(1, 200, loop.model.vocabulary_size), max_tokens=COUNT))
        deadline = time.monotonic() + 30
        while not saved and time.monotonic() < deadline:
            time.sleep(0.01)
        assert saved == [len(loop.cache.finished()[0][1])]


@pytest.mark.model
def test_guessing_ahead_is_exact_with_a_real_model_and_does_guess(small_model: Path) -> None:
    with Watched(small_model, curve=EAGER) as loop:
        text = "one two three four five six seven eight nine ten. " * 3
        fast = loop.submit(text, max_tokens=60)
        stats = loop.finished(fast).stats
        slow = loop.submit(text, max_tokens=60, options=ChatOptions(speculation=False))
        loop.finished(slow)
        assert loop.tokens(fast) == loop.tokens(slow)
        assert stats.accepted_tokens > 30


@pytest.mark.model
@pytest.mark.parametrize(("model", "lines"), [("small_model", 15), ("gemma_model", 45)])
def test_real_models_say_the_same_shared_and_alone(model: str, lines: int, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(model)
    with Watched(path, curve=EAGER, context_length=2048) as loop, Reference(path) as reference:
        story = " ".join(f"Line {number} tells of a river and a bridge near the town." for number in range(lines))
        system = loop.model.tokenize(story, special=False, bos=True)
        assert len(system) > 550 or model == "small_model", "longer than the window, where there is one"
        talks = [
            [*system, *loop.model.tokenize(end, special=False)]
            for end in (" So the first thing they saw was", " In the end they all went", " Line 45")
        ]
        ids = [loop.submit(talk, max_tokens=COUNT) for talk in talks]
        for id_, talk in zip(ids, talks, strict=True):
            loop.finished(id_)
            check(loop, id_, reference, talk, tie=1.0)
        turn = [*talks[0], *loop.tokens(ids[0]), *loop.model.tokenize(" And then", special=False)]
        id_ = loop.submit(turn, max_tokens=COUNT)
        assert loop.finished(id_).stats.cached_tokens > len(system)
        check(loop, id_, reference, turn, tie=1.0)


def test_what_steps_cost_is_measured(tiny_model: TinyModel) -> None:
    with LiveLoop(tiny_model("llama")) as loop:
        curve = measure(loop)
        assert curve is not None
        assert 0 < curve(1) <= curve(17)
        assert loop.cache.used == 0


def test_conversations_in_turn_are_parked_and_come_back_right(tiny_model: TinyModel) -> None:
    path = tiny_model("llama")
    with Watched(path, context_length=4096) as loop, Reference(path) as reference:
        size = loop.model.vocabulary_size
        talks = [random_prompt(seed, 300, size) for seed in range(4)]
        for turn in range(3):
            for index, talk in enumerate(talks):
                id_ = loop.submit(talk, max_tokens=COUNT)
                cached = loop.finished(id_).stats.cached_tokens
                assert (cached > 290) is (turn > 0)
                assert loop.cache.used < 900, "what nobody uses is still in the model's memory"
                check(loop, id_, reference, talk)
                talk += [*loop.tokens(id_), *random_prompt(10 * turn + index, 15, size)]
