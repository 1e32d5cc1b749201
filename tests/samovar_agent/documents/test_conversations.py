import pytest

from samovar_agent.documents.conversations import ConversationService
from samovar_agent.events import EventBus
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import Attachment, Citation
from samovar_protocol.events import AnyEvent, ConversationChanged
from samovar_protocol.values import Message
from tests.samovar_agent.documents.bench import Bench

QUESTION = Message(role="user", content="When is the rent due?")
ANSWER = Message(role="assistant", content="On the first [1].")


class Told:
    """The service, and what everybody is told: the title, and whether it is gone."""

    def __init__(self, bench: Bench) -> None:
        self.events: list[tuple[str, bool]] = []
        events = EventBus()
        events.subscribe(self._heard)
        self.service = ConversationService(bench.store, events)

    def _heard(self, number: int, when: float, cause: str | None, event: AnyEvent) -> None:
        assert isinstance(event, ConversationChanged)
        self.events.append((event.conversation.title, event.gone))


@pytest.fixture
def told(documents_bench: Bench) -> Told:
    return Told(documents_bench)


async def test_a_question_and_its_answer_are_kept_with_all_that_belongs_to_them(
    told: Told, documents_bench: Bench
) -> None:
    await documents_bench.store.collections.create("notes")
    info = await told.service.create("", ["notes"])
    assert (info.title, info.collections, info.model) == ("", ["notes"], None)
    citation = Citation(number=1, at=13, until=16, document=7, name="flat.md", start=0, end=9, quote="The first")
    await told.service.keep(
        info.id,
        QUESTION,
        ANSWER,
        model="acme/chat",
        attachments=[Attachment(name="flat.md", document=7, sha256="abc")],
        citations=[citation],
    )
    shown = await told.service.show(info.id)
    assert [turn.message for turn in shown.messages] == [QUESTION, ANSWER]
    assert shown.messages[0].attachments[0].name == "flat.md"
    assert shown.messages[1].citations == [citation]
    assert shown.conversation.title == QUESTION.content
    assert shown.conversation.model == "acme/chat"
    assert await told.service.history(info.id) == [QUESTION, ANSWER]
    assert told.events == [("", False), (QUESTION.content, False)]


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Why?", "Why?"),
        ("Two\nlines  and\tmore", "Two lines and more"),
        ("word " * 50, "word " * 11 + "word…"),
        ("x" * 100, "x" * 60 + "…"),
    ],
)
async def test_the_title_is_the_beginning_of_the_first_question(told: Told, question: str, title: str) -> None:
    info = await told.service.create("")
    await told.service.keep(info.id, Message(role="user", content=question), ANSWER, model=None)
    await told.service.keep(info.id, QUESTION, ANSWER, model=None)
    assert (await told.service.get(info.id)).title == title


async def test_a_title_that_somebody_gave_stays(told: Told) -> None:
    info = await told.service.create("The flat")
    await told.service.keep(info.id, QUESTION, ANSWER, model=None)
    assert (await told.service.rename(info.id, "My flat")).title == "My flat"
    assert [title for title, _ in told.events] == ["The flat", "The flat", "My flat"]


async def test_it_can_ask_other_collections(told: Told, documents_bench: Bench) -> None:
    for name in ("notes", "papers"):
        await documents_bench.store.collections.create(name)
    info = await told.service.create("Tea", ["notes"])
    changed = await told.service.change(info.id, collections=["papers", "notes", "papers"])
    assert (changed.title, changed.collections) == ("Tea", ["papers", "notes"])
    changed = await told.service.change(info.id, title="Coffee", collections=[])
    assert (changed.title, changed.collections) == ("Coffee", [])
    assert [title for title, _ in told.events] == ["Tea", "Tea", "Coffee"]
    for wrong in (["none"], None):
        with pytest.raises(SamovarError):
            await told.service.change(info.id, collections=wrong)
    assert len(told.events) == 3


async def test_the_last_changed_is_the_first(told: Told) -> None:
    first = await told.service.create("first")
    second = await told.service.create("second")
    await told.service.keep(first.id, QUESTION, ANSWER, model=None)
    assert [one.id for one in await told.service.ls()] == [first.id, second.id]
    assert len(await told.service.ls(limit=1)) == 1


async def test_a_collection_that_is_renamed_or_gone(told: Told, documents_bench: Bench) -> None:
    collections = documents_bench.store.collections
    row = await collections.create("notes")
    info = await told.service.create("", ["notes"])
    await collections.rename(row.id, "papers")
    assert (await told.service.get(info.id)).collections == ["papers"]
    await collections.delete(row.id)
    assert (await told.service.get(info.id)).collections == []


async def test_what_is_not_there(told: Told) -> None:
    service = told.service
    for call in (
        service.create("", ["nothing"]),
        service.get(9),
        service.show(9),
        service.rename(9, "x"),
        service.change(9, collections=[]),
        service.history(9),
        service.keep(9, QUESTION, ANSWER, model=None),
    ):
        with pytest.raises(SamovarError) as raised:
            await call
        assert raised.value.code == FailureCode.NOT_FOUND
    assert await service.delete(9) is False
    assert told.events == []


async def test_one_that_is_removed_is_gone_with_its_messages(told: Told) -> None:
    info = await told.service.create("Tea")
    await told.service.keep(info.id, QUESTION, ANSWER, model=None)
    assert await told.service.delete(info.id) is True
    assert told.events[-1] == ("Tea", True)
    assert await told.service.ls() == []
