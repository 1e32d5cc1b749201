"""Plain text into the document store, without vectors: many small files, and a few large ones.

The whole way inside of the agent: files are read and cut in the process for that, and stored with their words, until
the last one can be found. Eight readers ask all the while in runs of their own, which do not count for the speed. The
prose is sentences of the CISI abstracts in random order, with some names in each file that no other has.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from samovar_agent.documents.cutting import EstimatingCutter
from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.indexing import Indexing
from samovar_agent.store.documents import NewDocument
from samovar_agent.store.store import Store
from tests.bench.embeddings import TEXTS
from tests.bench.report import Result, middle, percentile, spread

_COMMAND = "python -m tests.bench documents-ingest"
_READERS = 8
_MEGABYTE = 1_000_000


class Run(NamedTuple):
    """- speed: megabytes a second. - searches: milliseconds each. - memory: the most that this process took, in MB."""

    speed: float
    searches: list[float]
    memory: float


def measure(*, quick: bool) -> list[Result]:
    """Both kinds of files in turns, and then once more with readers."""
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory(prefix="samovar-bench-documents-") as folder:
        small, large = Path(folder, "small"), Path(folder, "large")
        _write(small, 200 if quick else 2000, lambda random: random.randint(5_000, 20_000))
        _write(large, 2 if quick else 20, lambda _: 2 * _MEGABYTE)
        kinds = {"2,000 files of 5 to 20 kB": small, "20 files of 2 MB": large}
        runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, files in kinds.items():
                runs[kind].append(asyncio.run(_ingest(files, 0)))
        read = [asyncio.run(_ingest(files, _READERS)) for files in kinds.values()]
    results = [
        Result(
            what=f"plain text taken in, {kind}",
            bound="≥",
            goal=20,
            measured=middle([run.speed for run in runs[kind]]),
            unit="MB/s",
            detail=f"{spread([run.speed for run in runs[kind]], 'MB/s')}; at most {runs[kind][-1].memory:.0f} MB",
            command=_COMMAND,
        )
        for kind in kinds
    ]
    searches = [seconds for run in read for seconds in run.searches]
    results.append(
        Result(
            what=f"a search by words meanwhile, {_READERS} readers, p99",
            goal=200,
            measured=percentile(searches, 99),
            unit="ms",
            detail=f"{len(searches):,} searches, p50 {middle(searches):.1f} ms; "
            f"meanwhile {' and '.join(f'{run.speed:.1f}' for run in read)} MB/s",
            command=_COMMAND,
        )
    )
    return results


def sentences() -> list[str]:
    """Of the CISI abstracts."""
    text = re.sub(r"^\.X$.*?(?=^\.I |\Z)", "", TEXTS.read_text("utf-8", "replace"), flags=re.MULTILINE | re.DOTALL)
    words = " ".join(line for line in text.split("\n") if not line.startswith("."))
    return [sentence for sentence in re.split(r"(?<=[.!?]) +", " ".join(words.split())) if len(sentence) > 20]


def prose(of: list[str], random: random.Random, characters: int) -> str:
    """About so many characters in paragraphs and lines of text."""
    names = ["".join(random.choices("abcdefghiklmnoprstuvw", k=7)).title() for _ in range(max(2, characters // 1000))]
    parts: list[str] = []
    length = 0
    while length < characters:
        paragraph = " ".join(random.choices(of, k=random.randint(2, 8))) + f" So says {random.choice(names)}."
        parts.append(paragraph)
        length += len(paragraph) + 2
    return "\n\n".join(parts)


def _write(folder: Path, files: int, size: Callable[[random.Random], int]) -> None:
    folder.mkdir()
    known, chance = sentences(), random.Random(1)
    for number in range(files):
        Path(folder, f"{number}.txt").write_text(prose(known, chance, size(chance)), "utf-8")


async def _ingest(files: Path, readers: int) -> Run:
    with tempfile.TemporaryDirectory(prefix="samovar-bench-store-") as folder:
        store = await Store.open(Path(folder, "samovar.db"))
        collection = await store.collections.create("bench")
        source = await store.sources.add(collection.id, "folder", str(files))
        paths = sorted(files.iterdir())
        extractor = Extractor(Path(folder, "run"))
        (folder_file := Path(folder, "warm.txt")).write_text("The process is started before the clock.")
        await extractor.extract(folder_file)
        cutter = EstimatingCutter()

        async def cutter_of(_: int) -> EstimatingCutter:
            return cutter

        stored = 0
        done = asyncio.Event()

        def told(*_: object) -> None:
            nonlocal stored
            stored += 1
            if stored == len(paths):
                done.set()

        indexing = Indexing(store, extractor, cutter_of, told=told)
        await store.documents.add(
            [
                NewDocument(
                    collection=collection.id,
                    source=source.id,
                    name=path.name,
                    path=str(path),
                    size=path.stat().st_size,
                    mtime=path.stat().st_mtime,
                )
                for path in paths
            ]
        )
        searches: list[float] = []
        process = psutil.Process()
        most = process.memory_info().rss
        began = time.perf_counter()
        tasks = [asyncio.create_task(indexing.run())]
        tasks += [asyncio.create_task(_search(store, number, searches)) for number in range(readers)]
        while not done.is_set():
            most = max(most, process.memory_info().rss)
            await asyncio.wait([asyncio.create_task(done.wait())], timeout=0.1)
        seconds = time.perf_counter() - began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        counts = await store.documents.counts()
        assert counts == {"ready": len(paths)}, counts
        await store.chunks.check_words()
        await extractor.close()
        await store.close()
    size = sum(path.stat().st_size for path in paths)
    return Run(size / seconds / _MEGABYTE, searches, most / _MEGABYTE)


async def _search(store: Store, seed: int, milliseconds: list[float]) -> None:
    words = " ".join(sentences()[: 200 * (seed + 1)]).split()
    chance = random.Random(seed)
    while True:
        began = time.perf_counter()
        await store.chunks.words(" ".join(chance.choices(words, k=4)), limit=20)
        milliseconds.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(0.02)
