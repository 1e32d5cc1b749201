"""Documents in daily life: asked again, edited, and taken in with vectors.

`documents-warm`: the time to the first token of a second question to the same document, and of the first one after a
restart, against the very first. `documents-edit`: from saving a watched file until its new text is found.
`documents-embed`: taking in files with vectors, against the engine computing the vectors of the same texts and nothing
else, in turns.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import samovar
from samovar_protocol.requests import DocsAdd, DocsAsk, DocsSearch, Embed, Import, Load
from samovar_protocol.values import Sampling, Text
from tests.bench.embeddings import MODEL, TEXTS
from tests.bench.home import running_agent, stop, temporary_home
from tests.bench.model import load_model, random_words
from tests.bench.report import Result, middle, spread

WORDS = 2500
"""Somewhat over 3,000 tokens with the rules and marks around them."""
_FILE_WORDS = 150
"""So that each file is one passage, and what the engine has to compute is known."""
_BATCH = 128


def warm(*, quick: bool) -> list[Result]:
    """Ratios to the first question."""
    first, second, restarted = [], [], []
    with temporary_home() as places, tempfile.TemporaryDirectory() as folder:
        samovar.start_agent(tray=False)
        for number in range(2 if quick else 5):
            asyncio.run(_add_long(Path(folder), number))
            first.append(asyncio.run(_ask(number, "What is said about rivers?")))
            second.append(asyncio.run(_ask(number, "Which planet is the largest?")))
            stop(places)
            samovar.start_agent(tray=False)
            restarted.append(asyncio.run(_ask(number, "Who crosses the bridge?")))
    return [
        Result(
            what=f"first token of {what} to a document of {WORDS:,} words, against the first",
            goal=0.15,
            measured=middle(seconds) / middle(first),
            unit="×",
            detail=f"{spread(seconds, 's')}, first {middle(first):.3g} s",
            command="python -m tests.bench documents-warm",
            bound="≤",
        )
        for what, seconds in (
            ("a second question", second),
            ("a third question, after a restart of the agent,", restarted),
        )
    ]


def edit(*, quick: bool) -> list[Result]:
    """Seconds from saving to finding."""
    with running_agent(), tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(_edits(Path(folder), 3 if quick else 15))
    return [
        Result(
            what="edit of a watched file until its new text is found",
            goal=5.0,
            measured=max(seconds),
            unit="s",
            detail=f"the slowest; {spread(seconds, 's')}",
            command="python -m tests.bench documents-edit",
            bound="≤",
        )
    ]


def embed(*, quick: bool) -> list[Result]:
    """The engine's time by the time of taking in."""
    with running_agent(), tempfile.TemporaryDirectory() as folder:
        alone, taken_in, count = asyncio.run(_embeds(Path(folder), 2 if quick else 5, 200 if quick else 1400))
    return [
        Result(
            what=f"taking in {count:,} files with vectors, against the engine's own speed",
            goal=0.9,
            measured=middle(alone) / middle(taken_in),
            unit="×",
            detail=f"{spread(taken_in, 's')}, the engine alone {middle(alone):.3g} s",
            command="python -m tests.bench documents-embed",
            bound="≥",
        )
    ]


async def _add_long(folder: Path, number: int) -> None:
    (folder / str(number)).mkdir()
    (folder / str(number) / "long.txt").write_text(random_words(WORDS, seed=time.time_ns()))
    async with samovar.connect() as client:
        await load_model(client)
        await _add(client, folder / str(number), str(number))


async def _ask(number: int, question: str) -> float:
    """Seconds to the first piece of the answer, with the model in memory before."""
    async with samovar.connect() as client:
        model = await load_model(client)
        request = DocsAsk(
            question=question, collections=[str(number)], model=model, whole=True, sampling=Sampling(max_tokens=8)
        )
        began = time.perf_counter()
        first = 0.0
        async with client.stream(request) as stream:
            async for piece in stream:
                if isinstance(piece, Text) and not first:
                    first = time.perf_counter() - began
        return first


async def _edits(folder: Path, rounds: int) -> list[float]:
    seconds = []
    async with samovar.connect() as client:
        await _import_embedding_model(client)
        for name in range(50):
            (folder / f"{name}.md").write_text(random_words(200, seed=name))
        await _add(client, folder, "watched")
        for number in range(rounds):
            await asyncio.sleep(1)
            began = time.perf_counter()
            (folder / f"{number}.md").write_text(f"{random_words(200, seed=number)} zebra{number}")
            while not await _finds(client, f"zebra{number}"):
                await asyncio.sleep(0.02)
            seconds.append(time.perf_counter() - began)
    return seconds


async def _finds(client: samovar.Client, word: str) -> bool:
    async with client.stream(DocsSearch(query=word, words_only=True)) as stream:
        async for _ in stream:
            pass
    return any(word in passage.text for passage in stream.reply.passages)


async def _embeds(folder: Path, rounds: int, most: int) -> tuple[list[float], list[float], int]:
    alone, taken_in = [], []
    abstracts = re.findall(r"^\.W\n(.*?)(?=^\.)", TEXTS.read_text(errors="replace"), re.DOTALL | re.MULTILINE)[:most]
    async with samovar.connect() as client:
        model = await _import_embedding_model(client)
        for number in range(rounds):
            place = folder / str(number)
            place.mkdir()
            texts = []
            for index, abstract in enumerate(abstracts):
                # A word that no other round has, or its vectors would be known already.
                text = " ".join([f"round{number}", *abstract.split()[:_FILE_WORDS]])
                (place / f"{index}.txt").write_text(text)
                texts.append(f"{index}.txt\n{text}")
            began = time.perf_counter()
            await _add(client, place, str(number))
            taken_in.append(time.perf_counter() - began)
            began = time.perf_counter()
            await _embed(client, model, texts)
            alone.append(time.perf_counter() - began)
    return alone, taken_in, len(abstracts)


async def _embed(client: samovar.Client, model: str, texts: Sequence[str]) -> None:
    """The vectors of all texts, two requests at a time, as the engine is never idle then."""
    waiting = asyncio.Semaphore(2)

    async def one(batch: Sequence[str]) -> None:
        async with waiting, client.stream(Embed(model=model, inputs=list(batch))) as stream:
            async for _ in stream:
                pass

    await asyncio.gather(*(one(batch) for batch in _batches(texts)))


def _batches(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]


async def _import_embedding_model(client: samovar.Client) -> str:
    async with client.stream(Import(path=str(MODEL), mode="link")) as imported:
        async for _ in imported:
            pass
    key = imported.reply.model.key
    await client.call(Load(name=key))
    return key


async def _add(client: samovar.Client, folder: Path, collection: str) -> None:
    async with client.stream(DocsAdd(collection=collection, paths=[str(folder)])) as stream:
        async for _ in stream:
            pass
    assert not stream.reply.failed, stream.reply.failed
