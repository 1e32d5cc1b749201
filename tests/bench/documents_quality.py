"""How good the search is: nDCG@10 of a collection with judged queries, through the public API of a running agent.

Each abstract is a file, its title as its first heading, read into a collection with the MiniLM model, and into one
without a model. `--collection` names a folder of the same form as `../shared/data/cisi`: one file that ends in `.ALL`,
one in `.QRY`, one in `.REL` (query, document, ...; by white space).
"""

from __future__ import annotations

import asyncio
import math
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import samovar
from samovar_protocol.requests import ConfigSet, DocsAdd, DocsCreate, DocsSearch, Import
from tests.bench.embeddings import MODEL, TEXTS
from tests.bench.home import running_agent
from tests.bench.model import THREADS
from tests.bench.report import Result

COLLECTION = TEXTS.parent
_DEPTH = 10


class Judged(NamedTuple):
    """- documents: title and text. - queries: texts. - relevant: documents by query. All by number."""

    documents: dict[int, tuple[str, str]]
    queries: dict[int, str]
    relevant: dict[int, set[int]]


def measure(*, quick: bool, collection: Path = COLLECTION) -> list[Result]:
    """By words alone, and by words and vectors. - collection: see the head of this file."""
    judged = _read(collection)
    if quick:
        queries = dict(list(judged.queries.items())[:10])
        judged = judged._replace(queries=queries)
    with tempfile.TemporaryDirectory(prefix="samovar-bench-documents-") as folder:
        _write(Path(folder), judged)
        with running_agent():
            words, both = asyncio.run(_search(Path(folder), judged))
    command = "python -m tests.bench documents-quality"
    if collection != COLLECTION:
        command += f" --collection {collection}"
    return [
        Result(
            what=f"nDCG@10 of {collection.name}, {what}",
            bound="≥",
            goal=goal,
            measured=sum(scores) / len(scores),
            unit="",
            detail=f"{len(judged.documents):,} documents, {len(scores)} queries",
            command=command,
        )
        for what, goal, scores in (("words alone", 0.36, words), ("words and vectors", 0.45, both))
    ]


def ndcg(found: list[int], relevant: set[int]) -> float:
    """How much of the best possible order these first results are. - found: documents, best first."""
    gained = sum(1 / math.log2(rank + 2) for rank, number in enumerate(found[:_DEPTH]) if number in relevant)
    return gained / sum(1 / math.log2(rank + 2) for rank in range(min(_DEPTH, len(relevant))))


async def _search(folder: Path, judged: Judged) -> tuple[list[float], list[float]]:
    async with samovar.connect() as client:
        await client.call(ConfigSet(key="engine.threads", value=THREADS))
        async with client.stream(Import(path=str(MODEL), mode="link")) as imported:
            async for _ in imported:
                pass
        await client.call(DocsCreate(name="both", model=imported.reply.model.key))
        await client.call(DocsCreate(name="words", words_only=True))
        scores: dict[str, list[float]] = {}
        for name in ("words", "both"):
            async with client.stream(DocsAdd(collection=name, paths=[str(folder)], watch=False)) as added:
                async for _ in added:
                    pass
            assert added.reply.added == len(judged.documents), added.reply
            scores[name] = [
                ndcg(await _found(client, name, text), judged.relevant[number])
                for number, text in judged.queries.items()
            ]
        return scores["words"], scores["both"]


async def _found(client: samovar.Client, collection: str, query: str) -> list[int]:
    """The documents, best first: a document is as good as its best passage."""
    request = DocsSearch(query=query, collections=[collection], limit=4 * _DEPTH, rerank=False)
    async with client.stream(request) as search:
        async for _ in search:
            pass
    return list(dict.fromkeys(int(Path(passage.name).stem) for passage in search.reply.passages))


def _write(folder: Path, judged: Judged) -> None:
    for number, (title, text) in judged.documents.items():
        Path(folder, f"{number}.md").write_text(f"# {title}\n\n{text}\n", "utf-8")


def _read(folder: Path) -> Judged:
    entries, queries = _entries(folder, "ALL"), _entries(folder, "QRY")
    relevant: dict[int, set[int]] = {}
    for line in _file(folder, "REL").read_text("utf-8", "replace").splitlines():
        numbers = line.split()
        if numbers:
            relevant.setdefault(int(numbers[0]), set()).add(int(numbers[1]))
    return Judged(
        {
            number: (" ".join(fields.get("T", "").split()), fields.get("W", "").strip())
            for number, fields in entries.items()
        },
        {
            number: " ".join(f"{fields.get('T', '')} {fields.get('W', '')}".split())
            for number, fields in queries.items()
            if number in relevant
        },
        relevant,
    )


def _entries(folder: Path, suffix: str) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for entry in re.split(r"^\.I ", _file(folder, suffix).read_text("utf-8", "replace"), flags=re.MULTILINE)[1:]:
        parts = re.split(r"^\.([A-Z]) *$", entry, flags=re.MULTILINE)
        found[int(parts[0])] = dict(zip(parts[1::2], parts[2::2], strict=True))
    return found


def _file(folder: Path, suffix: str) -> Path:
    [file] = (file for file in folder.iterdir() if file.suffix.upper() == f".{suffix}")
    return file
