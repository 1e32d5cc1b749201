"""Conversations and their turns."""

from __future__ import annotations

import asyncio

import pytest

from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import Attachment, Citation
from samovar_protocol.values import Message, ToolCall

QUESTION = Message(role="user", content="What is a samovar?\0 🫖")
ANSWER = Message(
    role="assistant",
    content="It boils water [1].",
    reasoning="hm",
    tool_calls=[ToolCall(id="1", name="look", arguments="{}")],
)
CITATION = Citation(number=1, at=16, until=19, name="tea.pdf", quote="boils water", document=7, page=3, start=5, end=16)


async def test_turns_come_back_with_all_that_belongs_to_them(store: Store) -> None:
    made = await store.conversations.create("Tea", collections=[3, 1])
    assert (made.title, made.collections, made.model) == ("Tea", [3, 1], None)
    attachment = Attachment(name="tea.pdf", document=7, sha256="ab")
    first = await store.conversations.append(made.id, QUESTION, attachments=[attachment])
    second = await store.conversations.append(made.id, ANSWER, citations=[CITATION], model="smollm2")
    one, two = await store.conversations.messages(made.id)
    assert (one.id, one.message, one.attachments, one.citations, one.model) == (first, QUESTION, [attachment], [], None)
    assert (two.id, two.message, two.attachments, two.citations, two.model) == (
        second,
        ANSWER,
        [],
        [CITATION],
        "smollm2",
    )
    changed = await store.conversations.get(made.id)
    assert changed.model == "smollm2"
    assert changed.changed_at >= made.changed_at
    assert changed.changed_at == two.created_at


async def test_the_last_changed_comes_first(store: Store) -> None:
    first = await store.conversations.create("first")
    second = await store.conversations.create("second")
    assert [row.id for row in await store.conversations.ls()] == [second.id, first.id]
    await store.conversations.append(first.id, QUESTION)
    assert [row.id for row in await store.conversations.ls()] == [first.id, second.id]
    await store.conversations.change(second.id, title="renamed")
    assert [row.title for row in await store.conversations.ls(limit=1)] == ["renamed"]


async def test_an_answer_is_taken_back(store: Store) -> None:
    made, other = await store.conversations.create(), await store.conversations.create()
    await store.conversations.append(made.id, QUESTION)
    answer = await store.conversations.append(made.id, ANSWER)
    kept = await store.conversations.append(other.id, QUESTION)
    await store.conversations.append(made.id, QUESTION)
    assert await store.conversations.delete_from(made.id, answer) == 2
    assert [row.message for row in await store.conversations.messages(made.id)] == [QUESTION]
    assert [row.id for row in await store.conversations.messages(other.id)] == [kept]


async def test_a_deleted_conversation_takes_its_turns_along(store: Store) -> None:
    made = await store.conversations.create()
    await store.conversations.append(made.id, QUESTION)
    assert await store.conversations.delete(made.id)
    assert not await store.conversations.delete(made.id)
    assert await store.conversations.messages(made.id) == []
    for attempt in (store.conversations.get(made.id), store.conversations.append(made.id, QUESTION)):
        with pytest.raises(SamovarError) as caught:
            await attempt
        assert caught.value.code == FailureCode.NOT_FOUND


async def test_a_question_and_its_answer_come_together(store: Store) -> None:
    made = await store.conversations.create()
    pairs = [
        store.conversations.append_pair(
            made.id,
            Message(role="user", content=f"{number}?"),
            Message(role="assistant", content=f"{number}!"),
            title=f"About {number}",
        )
        for number in range(20)
    ]
    await asyncio.gather(*pairs)
    said = [row.message.content for row in await store.conversations.messages(made.id)]
    assert len(said) == 40
    assert [question[:-1] for question in said[::2]] == [answer[:-1] for answer in said[1::2]]
    assert (await store.conversations.get(made.id)).title == f"About {said[0][:-1]}"
    with pytest.raises(SamovarError) as raised:
        await store.conversations.append_pair(99, QUESTION, ANSWER)
    assert raised.value.code == FailureCode.NOT_FOUND
