"""Conversations that are kept, so that every client sees the same history.

conversations = ConversationService(store, events)
info = await conversations.create("Tea", ["notes"])
await conversations.append(info.id, Message(role="user", content="When?"))
"""

from __future__ import annotations

from collections.abc import Sequence

from samovar_agent.events import EventBus
from samovar_agent.store.conversations import ConversationRow
from samovar_agent.store.store import Store
from samovar_protocol import SamovarError
from samovar_protocol.documents import Attachment, Citation, ConversationInfo, ConversationMessage
from samovar_protocol.events import ConversationChanged
from samovar_protocol.replies import ConversationReply
from samovar_protocol.values import Message

_TITLE_CHARACTERS = 60


class ConversationService:
    """The store's conversations, with the names of what they ask; everybody is told of each change."""

    def __init__(self, store: Store, events: EventBus) -> None:
        self._store, self._events = store, events

    async def ls(self, limit: int = 100) -> list[ConversationInfo]:
        """The conversations, the last changed first."""
        names = await self._names()
        return [_info(row, names) for row in await self._store.conversations.ls(limit)]

    async def get(self, id_: int) -> ConversationInfo:
        """One conversation. Raises `not_found`."""
        return _info(await self._store.conversations.get(id_), await self._names())

    async def show(self, id_: int) -> ConversationReply:
        """One with all of its messages. Raises `not_found`."""
        info = await self.get(id_)
        messages = [
            ConversationMessage(
                id=row.id,
                message=row.message,
                created_at=row.created_at,
                attachments=row.attachments,
                citations=row.citations,
                model=row.model,
            )
            for row in await self._store.conversations.messages(id_)
        ]
        return ConversationReply(conversation=info, messages=messages)

    async def create(self, title: str, collections: Sequence[str] = ()) -> ConversationInfo:
        """A new one, without messages. - collections: names. Raises `not_found` for a collection that is not there."""
        ids = [(await self._store.collections.find(name)).id for name in collections]
        row = await self._store.conversations.create(title, ids)
        return await self._changed(row.id)

    async def rename(self, id_: int, title: str) -> ConversationInfo:
        """Give it another title. Raises `not_found`."""
        await self._store.conversations.rename(id_, title)
        return await self._changed(id_)

    async def delete(self, id_: int) -> bool:
        """Remove it; says whether there was one."""
        try:
            info = await self.get(id_)
        except SamovarError:
            return False
        found = await self._store.conversations.delete(id_)
        self._events.publish(ConversationChanged(conversation=info, gone=True))
        return found

    async def history(self, id_: int) -> list[Message]:
        """The turns so far, without what was kept beside them. Raises `not_found`."""
        await self._store.conversations.get(id_)
        return [row.message for row in await self._store.conversations.messages(id_)]

    async def keep(
        self,
        id_: int,
        question: Message,
        answer: Message,
        *,
        model: str | None,
        attachments: Sequence[Attachment] = (),
        citations: Sequence[Citation] = (),
    ) -> None:
        """Add a question and its answer. A conversation without a title gets the question's beginning as one.

        Raises `not_found` where it was removed meanwhile.
        """
        row = await self._store.conversations.get(id_)
        if not row.title:
            await self._store.conversations.rename(id_, _title(question.content))
        await self._store.conversations.append(id_, question, attachments=attachments)
        await self._store.conversations.append(id_, answer, citations=citations, model=model)
        await self._changed(id_)

    async def _changed(self, id_: int) -> ConversationInfo:
        info = await self.get(id_)
        self._events.publish(ConversationChanged(conversation=info))
        return info

    async def _names(self) -> dict[int, str]:
        return {row.id: row.name for row in await self._store.collections.ls()}


def _info(row: ConversationRow, names: dict[int, str]) -> ConversationInfo:
    return ConversationInfo(
        id=row.id,
        title=row.title,
        created_at=row.created_at,
        changed_at=row.changed_at,
        model=row.model,
        collections=[names[id_] for id_ in row.collections if id_ in names],
    )


def _title(question: str) -> str:
    """The first line, cut at a word."""
    line = " ".join(question.split())
    if len(line) <= _TITLE_CHARACTERS:
        return line
    return line[:_TITLE_CHARACTERS].rsplit(" ", 1)[0] + "…"
