"""Documents through the control socket, as clients use them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import samovar
from samovar_protocol.documents import CollectionInfo, DocumentInfo
from samovar_protocol.replies import DocsAddReply, DocsAskReply, DocsSearchReply
from samovar_protocol.requests import DocsAdd, DocsAsk, DocsCollections, DocsLs, DocsSearch, Import
from samovar_protocol.values import Sampling, Text
from tests.processes.agent import PATIENCE, AgentProcess


async def import_copy(client: samovar.Client, path: Path, name: str) -> str:
    """A copy of a GGUF file as a model of its own; the key."""
    async with client.stream(Import(path=str(path), mode="copy", name=name)) as stream:
        async for _ in stream:
            pass
    return stream.reply.model.key


async def add(client: samovar.Client, *paths: Path, collection: str = "notes", **options: object) -> DocsAddReply:
    request = DocsAdd(paths=[str(path) for path in paths], collection=collection, **options)  # type: ignore[arg-type]
    return await client.call(request)


async def search(client: samovar.Client, query: str, **options: object) -> DocsSearchReply:
    return await client.call(DocsSearch(query=query, **options))  # type: ignore[arg-type]


async def names(client: samovar.Client, query: str, **options: object) -> list[str]:
    """The documents that a search finds, best first."""
    return [passage.name for passage in (await search(client, query, **options)).passages]


async def ask(client: samovar.Client, question: str, **options: object) -> DocsAskReply:
    """The reply, whose text has come in pieces before."""
    sampling = Sampling(temperature=0, max_tokens=24)
    said = ""
    request = DocsAsk(question=question, sampling=sampling, **options)  # type: ignore[arg-type]
    async with client.stream(request) as stream:
        async for piece in stream:
            if isinstance(piece, Text):
                said += piece.text
    assert said.strip() == stream.reply.text.strip()
    return stream.reply


async def info(client: samovar.Client, name: str = "notes") -> CollectionInfo:
    [found] = (await client.call(DocsCollections(name=name))).collections
    return found


async def documents(client: samovar.Client, collection: str = "notes") -> dict[str, DocumentInfo]:
    reply = await client.call(DocsLs(collection=collection, limit=10_000))
    assert not reply.more
    return {document.name: document for document in reply.documents}


async def settled(
    client: samovar.Client,
    condition: Callable[[CollectionInfo], bool] = lambda info: not info.busy,
    name: str = "notes",
    seconds: float = PATIENCE,
) -> CollectionInfo:
    """Wait until a collection is as it should be."""
    async with asyncio.timeout(seconds):
        while not condition(found := await info(client, name)):
            await asyncio.sleep(0.02)
    return found


async def found_after(client: samovar.Client, query: str, wanted: list[str], **options: object) -> float:
    """Wait until a search for words finds just these documents; how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while sorted(set(await names(client, query, words_only=True, **options))) != sorted(wanted):
            await asyncio.sleep(0.02)
    return time.monotonic() - began


@contextlib.contextmanager
def database(agent: AgentProcess) -> Iterator[sqlite3.Connection]:
    """The store's file; to be written only while no agent has it."""
    with contextlib.closing(sqlite3.connect(agent.places.database_file)) as db:
        yield db


def chunks_of(agent: AgentProcess, name: str) -> list[int]:
    """The ids of a document's chunks."""
    with database(agent) as db:
        rows = db.execute(
            "SELECT chunks.id FROM chunks JOIN documents ON documents.content = chunks.content"
            " WHERE documents.name = ? ORDER BY chunks.id",
            [name],
        )
        return [row[0] for row in rows]


def require_sound(agent: AgentProcess) -> None:
    """Nothing is wrong with the store's file, its index of words, or what points to what. No agent may run."""
    with database(agent) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        db.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES ('integrity-check', 1)")
