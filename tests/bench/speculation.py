"""Guessing ahead from the prompt, against not guessing: the same greedy replies with and without it, in turns.

The edit is one that this small model really does: it copies a text of 150 tokens nearly word for word. A story has next
to nothing to copy, and must not pay for guesses that never come true.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import samovar
from samovar_protocol.requests import Chat
from samovar_protocol.values import ChatOptions, Message, Sampling, Text
from tests.bench.home import running_agent
from tests.bench.model import load_model
from tests.bench.report import Result, middle

_TEXT = """The harbor of Brell lies at the mouth of a slow brown river. In spring the ice breaks up within a single \
night, and the noise wakes everybody who sleeps on the lower streets. Anna Holt has kept the light there for nineteen \
years. She counts the ships that come in, writes their names into a grey book, and rings the bell when fog comes down \
from the hills. On most days nothing else happens. Twice a year a boat brings oil for the lamp, new candles, and the \
newspapers of the last six months, which Anna Holt reads in order, one each evening, as if the news were still to come.
"""


@dataclass(frozen=True, slots=True)
class Task:
    """- goal: of tokens a second with speculation, as a multiple of those without."""

    what: str
    prompt: str
    goal: float


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. - speed: tokens a second after the first piece of text. - drafted, accepted: guessed tokens."""

    text: str
    speed: float
    drafted: int
    accepted: int


TASKS = (
    Task(
        "an edit that copies most of its prompt",
        f"Copy this text word for word, but write Maria instead of Anna:\n\n{_TEXT}",
        1.3,
    ),
    Task("free prose", "Tell me a long story about a tea kettle.", 0.97),
)


def measure(*, quick: bool) -> list[Result]:
    """Both tasks, and that speculation never changed a reply."""
    with running_agent():
        return asyncio.run(_measure(2 if quick else 7))


async def _measure(runs: int) -> list[Result]:
    results = []
    changed = compared = 0
    async with samovar.connect() as client:
        key = await load_model(client)
        for task in TASKS:
            await _ask(client, key, task.prompt, speculation=True)  # computes the prompt; not counted
            plain, guessed = [], []
            for _ in range(runs):
                plain.append(await _ask(client, key, task.prompt, speculation=False))
                guessed.append(await _ask(client, key, task.prompt, speculation=True))
            texts = [reply.text for reply in plain + guessed]
            changed += sum(text != texts[0] for text in texts)
            compared += len(texts) - 1
            results.append(_result(task, plain, guessed))
    return [
        *results,
        _row("replies that differ with speculation", 0, changed, "replies", "≤", f"of {compared} compared"),
    ]


def _result(task: Task, plain: list[Reply], guessed: list[Reply]) -> Result:
    with_it, without = middle([reply.speed for reply in guessed]), middle([reply.speed for reply in plain])
    one = guessed[-1]
    detail = (
        f"{with_it:.3g} against {without:.3g} tokens/s, {len(guessed)} runs each; "
        f"{one.accepted} of {one.drafted} guessed tokens right"
    )
    return _row(f"{task.what}, with speculation against without", task.goal, with_it / without, "×", "≥", detail)


def _row(what: str, goal: float, measured: float, unit: str, bound: Literal["≤", "≥"], detail: str) -> Result:
    command = "python -m tests.bench speculation"
    return Result(what=what, goal=goal, measured=measured, unit=unit, detail=detail, command=command, bound=bound)


async def _ask(client: samovar.Client, key: str, prompt: str, *, speculation: bool) -> Reply:
    request = Chat(
        model=key,
        messages=[Message(role="user", content=prompt)],
        sampling=Sampling(temperature=0, max_tokens=256),
        options=ChatOptions(speculation=speculation),
    )
    began, first = 0.0, 0
    async with client.stream(request) as stream:
        async for piece in stream:
            if not began and isinstance(piece, Text):
                began, first = time.perf_counter(), piece.tokens
    seconds, stats = time.perf_counter() - began, stream.reply.stats
    return Reply(
        text=stream.reply.text,
        speed=(stats.completion_tokens - first) / seconds,
        drafted=stats.drafted_tokens,
        accepted=stats.accepted_tokens,
    )
