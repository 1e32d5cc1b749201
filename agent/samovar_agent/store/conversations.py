"""Conversations: what was asked and answered, for every client the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from samovar_agent.store.columns import text_column
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import Attachment, Citation
from samovar_protocol.values import Message

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store


_Turn = tuple[Message, Sequence[Attachment], Sequence[Citation], str | None]
"""A message, what was attached to it, what it cites, and the model that wrote it."""


class ConversationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation. - collections: ids of those that are asked. - changed_at: of its newest message or its title."""

    id: int
    title: str
    model: str | None
    collections: list[int]
    created_at: float
    changed_at: float


class MessageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One turn. - model: that answered; None for other roles."""

    id: int
    conversation: int
    message: Message
    attachments: list[Attachment]
    citations: list[Citation]
    model: str | None
    created_at: float


class Conversations:
    """The tables `conversations` and `messages`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, title: str = "", collections: Sequence[int] = ()) -> ConversationRow:
        """A new conversation without messages."""
        now = time.time()
        values = [text_column(title), _json(list(collections)), now, now]
        id_ = await self._store.run(
            lambda db: (
                db.execute(
                    "INSERT INTO conversations (title, collections, created_at, changed_at) VALUES (?, ?, ?, ?)", values
                ).lastrowid
            )
        )
        assert id_ is not None
        return await self.get(id_)

    async def ls(self, limit: int = 100) -> list[ConversationRow]:
        """The conversations, the last changed first."""
        return await self._read("ORDER BY changed_at DESC, id DESC LIMIT ?", limit)

    async def get(self, id_: int) -> ConversationRow:
        """The conversation with this id. Raises `not_found`."""
        rows = await self._read("WHERE id = ?", id_)
        if not rows:
            raise _missing(id_)
        return rows[0]

    async def change(self, id_: int, *, title: str | None = None, collections: Sequence[int] | None = None) -> None:
        """Give it another title or other collections; None keeps what there is. Raises `not_found`."""
        values = [
            None if title is None else text_column(title),
            None if collections is None else _json(list(collections)),
            time.time(),
            id_,
        ]
        changed = await self._store.run(
            lambda db: (
                db.execute(
                    "UPDATE conversations SET title = coalesce(?, title), collections = coalesce(?, collections),"
                    " changed_at = ? WHERE id = ?",
                    values,
                ).rowcount
            )
        )
        if not changed:
            raise _missing(id_)

    async def append(
        self,
        conversation: int,
        message: Message,
        *,
        attachments: Sequence[Attachment] = (),
        citations: Sequence[Citation] = (),
        model: str | None = None,
    ) -> int:
        """Add a turn at the end; returns its id. - model: that answered. Raises `not_found`."""
        [id_] = await self._append(conversation, [(message, attachments, citations, model)])
        return id_

    async def append_pair(
        self,
        conversation: int,
        question: Message,
        answer: Message,
        *,
        title: str = "",
        attachments: Sequence[Attachment] = (),
        citations: Sequence[Citation] = (),
        model: str | None = None,
    ) -> None:
        """Add a question and its answer, both or none, so that nobody else's turn comes between them.

        - title: for a conversation that has none. - attachments: of the question. - citations, model: of the answer.
        Raises `not_found`.
        """
        turns = [(question, attachments, (), None), (answer, (), citations, model)]
        await self._append(conversation, turns, title)

    async def _append(self, conversation: int, turns: Sequence[_Turn], title: str = "") -> list[int]:
        now = time.time()
        model = turns[-1][3]
        rows = [
            [conversation, _json(message), _json(list(attachments)), _json(list(citations)), by, now]
            for message, attachments, citations, by in turns
        ]

        def insert(db: Database) -> list[int]:
            changed = db.execute(
                "UPDATE conversations SET changed_at = ?, model = coalesce(?, model),"
                " title = CASE title WHEN '' THEN ? ELSE title END WHERE id = ?",
                [now, model, text_column(title), conversation],
            )
            if not changed.rowcount:
                return []
            question = (
                "INSERT INTO messages (conversation, message, attachments, citations, model, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)"
            )
            return [int(db.execute(question, row).lastrowid or 0) for row in rows]

        ids = await self._store.run(insert)
        if not ids:
            raise _missing(conversation)
        return ids

    async def messages(self, conversation: int) -> list[MessageRow]:
        """Its turns, the oldest first."""
        rows = await self._store.read(
            lambda db: list(db.query("SELECT * FROM messages WHERE conversation = ? ORDER BY id", [conversation]))
        )
        return [_message(row) for row in rows]

    async def delete_from(self, conversation: int, message: int) -> int:
        """Remove a turn and all after it, e.g. to answer anew; returns how many."""
        return await self._store.run(
            lambda db: (
                db.execute("DELETE FROM messages WHERE conversation = ? AND id >= ?", [conversation, message]).rowcount
            )
        )

    async def delete(self, id_: int) -> bool:
        """Remove a conversation with its turns; says whether there was one."""
        return await self._store.run(
            lambda db: db.execute("DELETE FROM conversations WHERE id = ?", [id_]).rowcount > 0
        )

    async def _read(self, rest: str, value: int) -> list[ConversationRow]:
        question = f"SELECT * FROM conversations {rest}"  # noqa: S608 - only texts of ours
        rows = await self._store.read(lambda db: list(db.query(question, [value])))
        return [
            msgspec.convert({**row, "collections": msgspec.json.decode(row["collections"])}, ConversationRow)
            for row in rows
        ]


def _message(row: dict[str, Any]) -> MessageRow:
    decoded = {name: msgspec.json.decode(row[name]) for name in ("message", "attachments", "citations")}
    return msgspec.convert({**row, **decoded}, MessageRow)


def _missing(id_: int) -> SamovarError:
    return SamovarError(FailureCode.NOT_FOUND, f"There is no conversation number {id_}.")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
