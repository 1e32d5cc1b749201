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
from samovar_protocol import FailureCode, SamovarError
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
        row = await self._store.conversations.create(title, await self._ids(collections))
        return await self._changed(row.id)

    async def rename(self, id_: int, title: str) -> ConversationInfo:
        """Give it another title. Raises `not_found`."""
        return await self.change(id_, title=title)

    async def change(
        self, id_: int, *, title: str | None = None, collections: Sequence[str] | None = None
    ) -> ConversationInfo:
        """Another title, or other collections that it asks; None keeps what there is.

        Raises `not_found`, also for a collection that is not there, and `bad_request` where nothing is to change.
        """
        if title is None and collections is None:
            raise SamovarError(
                FailureCode.BAD_REQUEST, "Nothing is to change.", hint="Give a title, or the names of collections."
            )
        ids = None if collections is None else await self._ids(collections)
        await self._store.conversations.change(id_, title=title, collections=ids)
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
        await self._store.conversations.append_pair(
            id_,
            question,
            answer,
            title=_title(question.content),
            attachments=attachments,
            citations=citations,
            model=model,
        )
        await self._changed(id_)

    async def _changed(self, id_: int) -> ConversationInfo:
        info = await self.get(id_)
        self._events.publish(ConversationChanged(conversation=info))
        return info

    async def _ids(self, collections: Sequence[str]) -> list[int]:
        return list(dict.fromkeys([(await self._store.collections.find(name)).id for name in collections]))

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
