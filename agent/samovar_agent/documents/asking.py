"""Answers questions from documents: chooses what the model reads, has it answer, and checks what it cites.

    async for item in asking.ask(DocsAsk(question="When does it end?", collections=["notes"]), client="cli"): ...

Whole documents are read where they fit, since nothing is missed then; passages that a search found where they do not.
Where nothing is found no model is asked: there is nothing that it could know the answer from.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from samovar_agent.documents.answering import messages, recent, room_for_sources
from samovar_agent.documents.answering_sources import CountTokens, Given, Passage, chosen, parts, whole
from samovar_agent.documents.answering_stream import Answer, AnswerStream
from samovar_agent.documents.citations import NOT_FOUND
from samovar_agent.documents.conversations import ConversationService
from samovar_agent.documents.holdings import passage_info
from samovar_agent.documents.indexing import HEADING_SEPARATOR
from samovar_agent.documents.scope import why_nothing
from samovar_agent.documents.searching import Searching
from samovar_agent.engine.instances import Instances
from samovar_agent.models.library import Library
from samovar_agent.store.documents import DocumentRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import Attachment, Citation, DocumentPassage
from samovar_protocol.replies import ChatReply, DocsAskReply, DocsSearchReply
from samovar_protocol.requests import DOCS_ASK_THINKING_TOKENS, DOCS_ASK_TOKENS, DocsAsk, DocsSearch
from samovar_protocol.values import AnyDelta, Message, Progress, Sampling, Stats, Text, Thinking

_MOST_WHOLE = 50
"""Documents; more are a library, of which a question is about a part."""
_MOST_CHARACTERS_A_TOKEN = 8
_MOST_STOPS = 16
"""Of a request."""
_PASSAGES = 24
"""That are searched for; how many of them fit depends on the model."""
_SHARE_OF_CONTEXT = 0.5
"""Of the model's context that passages may take. A small model reads the first lines of a full context badly, and a
long prompt takes long to compute; whole documents may take all of it, since somebody chose them."""
_GOES_ROUND = "The model began to repeat itself, and was stopped."
_SHARE_OF_HISTORY = 0.3
"""Of the model's context that earlier turns may take."""


class _Sources(NamedTuple):
    """What the model reads. - passages: by the number of the source less one. - note: what is missing."""

    given: Given
    passages: list[DocumentPassage]
    note: str


class Asking:
    """Questions to documents."""

    def __init__(
        self,
        store: Store,
        library: Library,
        instances: Instances,
        searching: Searching,
        conversations: ConversationService,
    ) -> None:
        self._store, self._library, self._instances, self._searching = store, library, instances, searching
        self._conversations = conversations

    async def ask(self, request: DocsAsk, *, client: str) -> AsyncGenerator[AnyDelta | Progress | DocsAskReply, None]:
        """Progress, the answer in pieces, and the reply last. Closing the generator stops the work.

        Raises `not_found` for collections, documents and conversations that are not there, `context_overflow` where the
        sources must be whole and are too long, and what `Instances.generate` does.
        """
        history = list(request.history)
        if request.conversation is not None:
            history = await self._conversations.history(request.conversation)
            request = await self._with_scope(request, request.conversation)
        ids = [(await self._store.collections.find(name)).id for name in request.collections] or None
        await self._require_documents(request)
        sources: _Sources | None = None
        reply: DocsAskReply | None = None
        left_out = ""
        nothing = await why_nothing(self._store, ids, request.filter)
        if not nothing:
            context = 0
            async with aclosing(self._loaded(request)) as loading:
                async for item in loading:
                    if isinstance(item, Progress):
                        yield item
                    else:
                        request, context = item
            turns, history = len(history), await self._recent(request, history, context)
            if len(history) < turns:
                left_out = f"The first {turns - len(history):,} turns were left out: the model has no room."
            async with aclosing(self._sources(request, ids, history, context, client)) as looking:
                async for step in looking:
                    if isinstance(step, Progress):
                        yield step
                    else:
                        sources = step
        if sources is None or not sources.passages:
            reply = DocsAskReply(
                model=None,
                text=NOT_FOUND,
                outcome="not_found",
                given="nothing",
                sources=[],
                citations=[],
                note=sources.note if sources is not None else nothing,
                conversation=request.conversation,
            )
            yield Text(text=NOT_FOUND, tokens=0)
        else:
            said = ""
            try:
                async with aclosing(self._answer(request, history, sources, client)) as answering:
                    async for piece in answering:
                        if isinstance(piece, DocsAskReply):
                            reply = msgspec.structs.replace(piece, note=_joined(piece.note, left_out))
                        else:
                            said += piece.text if isinstance(piece, Text) else ""
                            yield piece
            except (asyncio.CancelledError, GeneratorExit):
                # Whoever stops an answer has read the beginning, and asks on from there.
                if said.strip():
                    with contextlib.suppress(SamovarError):
                        await self._keep(request, Message(role="assistant", content=said), request.model)
                raise
        assert reply is not None, "a generation ends with its reply or raises"
        answer = Message(role="assistant", content=reply.text, reasoning=reply.reasoning or None)
        await self._keep(request, answer, reply.model, reply.citations)
        yield reply

    async def _with_scope(self, request: DocsAsk, conversation: int) -> DocsAsk:
        """A question that says not what it is about is about what its conversation is."""
        if request.collections or request.filter.documents:
            return request
        asked = (await self._conversations.get(conversation)).collections
        if not asked and (await self._store.conversations.get(conversation)).collections:
            raise SamovarError(
                FailureCode.NOT_FOUND,
                "The collections that this conversation is about were removed.",
                hint="Name others, or begin a new conversation.",
            )
        return msgspec.structs.replace(request, collections=asked)

    async def _require_documents(self, request: DocsAsk) -> None:
        wanted = request.filter.documents
        known = {row.id for row in await self._store.documents.get(wanted)} if wanted else set()
        if missing := sorted(set(wanted) - known):
            raise SamovarError(
                FailureCode.NOT_FOUND, f"There is no document number {missing[0]}.", hint="See `samovar docs ls`."
            )

    async def _loaded(self, request: DocsAsk) -> AsyncGenerator[Progress | tuple[DocsAsk, int], None]:
        """Progress of loading the model, then the request with the model's name in it, and the model's context."""
        async with aclosing(self._instances.ready(request.model, "chat")) as items:
            async for item in items:
                if isinstance(item, Progress):
                    yield item
                else:
                    yield msgspec.structs.replace(request, model=item.identifier), item.context_length

    async def _recent(self, request: DocsAsk, history: list[Message], context: int) -> list[Message]:
        count = self._counter(request.model or "")
        return await asyncio.to_thread(recent, history, int(context * _SHARE_OF_HISTORY), count)

    async def _sources(
        self, request: DocsAsk, ids: list[int] | None, history: list[Message], context: int, client: str
    ) -> AsyncGenerator[Progress | _Sources, None]:
        count = self._counter(request.model or "")
        reply_tokens = min(request.sampling.max_tokens or self._most_tokens(request), max(1, context // 4))

        def measure() -> int:
            return room_for_sources(
                request.question,
                context_tokens=context,
                reply_tokens=reply_tokens,
                count_tokens=count,
                history=history,
                system=request.system,
            )

        room = await asyncio.to_thread(measure)
        if request.whole is not False:
            sources = await self._whole(request, ids, room, count)
            if sources is not None:
                yield sources
                return
            if request.whole:
                raise SamovarError(
                    FailureCode.CONTEXT_OVERFLOW,
                    f"These documents are longer than the {room:,} tokens that the model has room for.",
                    hint="Leave out --whole to ask passages of them, or load the model with a larger context.",
                    details={"free_tokens": room},
                )
        search = DocsSearch(
            query=_query(request.question, history),
            collections=request.collections,
            filter=request.filter,
            limit=_PASSAGES,
        )
        async with aclosing(self._searching.search(search, client=client)) as searching:
            async for item in searching:
                if isinstance(item, DocsSearchReply):
                    room = min(room, max(int(context * _SHARE_OF_CONTEXT), 1))
                    yield await asyncio.to_thread(_chosen, item, room, count)
                else:
                    yield item

    async def _whole(self, request: DocsAsk, ids: list[int] | None, room: int, count: CountTokens) -> _Sources | None:
        """All of the documents, where these are few and short enough."""
        documents, characters = await self._store.documents.extent(ids, request.filter, _MOST_WHOLE)
        if not documents or len(documents) > _MOST_WHOLE or characters > room * _MOST_CHARACTERS_A_TOKEN:
            return None
        rows = [row for row in await self._store.documents.get(documents) if row.content is not None]
        names = {row.id: row.name for row in await self._store.collections.ls()}
        texts = [await self._parts(row) for row in rows]
        given = await asyncio.to_thread(whole, [passages for passages in texts if passages], room, count)
        if given is None:
            return None
        by_id = {row.id: row for row in rows}
        shown = [
            passage_info(source.passage, by_id[source.passage.document], names, score=1.0) for source in given.sources
        ]
        return _Sources(given, shown, "")

    async def _parts(self, row: DocumentRow) -> list[Passage]:
        """A document as sources that together are all of it."""
        assert row.content is not None
        chunks = await self._store.chunks.of_content(row.content)
        if not chunks:
            return []
        passages = [
            Passage(
                document=row.id,
                name=row.name,
                text=chunk.text,
                start=chunk.start,
                end=chunk.end,
                page=chunk.page,
                headings=tuple(chunk.heading.split(HEADING_SEPARATOR)) if chunk.heading else (),
            )
            for chunk in chunks
        ]
        return parts(await self._store.chunks.text(row.content), passages)

    async def _answer(
        self, request: DocsAsk, history: Sequence[Message], sources: _Sources, client: str
    ) -> AsyncGenerator[AnyDelta | Progress | DocsAskReply, None]:
        turns = messages(request.question, sources.given, history=history, system=request.system)
        # Nothing that a document says can set off a tool, since there is none.
        options = msgspec.structs.replace(request.options, tools=[], tool_choice="none", n=1)
        stream = await asyncio.to_thread(AnswerStream, sources.given, request.question, history)
        sampling = self._limited(request, stream.stop)
        reasoning = ""
        began = came = time.monotonic()
        async with aclosing(self._instances.generate(request.model, turns, sampling, options, client=client)) as items:
            async for item in items:
                if isinstance(item, ChatReply):
                    answer = await asyncio.to_thread(stream.end, item.text)
                    for piece in answer.pieces:
                        yield piece
                    yield _reply(request, item, sources, answer)
                    return
                if not isinstance(item, Text):
                    reasoning += item.text if isinstance(item, Thinking) else ""
                    yield item
                    continue
                came = came if stream.tokens else time.monotonic()
                for piece in stream.take(item):
                    yield piece
                if not stream.has_begun:
                    part = stream.tokens / (sampling.max_tokens or 1)
                    yield Progress(stage="answering", done=min(1.0, part), total=1, unit="ratio")
                if stream.is_over:
                    break
        ended = time.monotonic()
        text = stream.came.rstrip()
        answer = await asyncio.to_thread(stream.end, text)
        for piece in answer.pieces:
            yield piece
        # The engine says what it took only of a reply that it ended itself.
        prompt = await self._instances.count_tokens(request.model or "", [turn.content for turn in turns])
        stopped = ChatReply(
            model=self._key(request),
            text=text,
            reasoning=reasoning,
            finish_reason="stop",
            stats=Stats(
                prompt_tokens=sum(prompt),
                completion_tokens=stream.tokens,
                prompt_seconds=came - began,
                decode_seconds=ended - came,
            ),
        )
        yield _reply(request, stopped, sources, answer, _GOES_ROUND if stream.goes_round else "")

    def _limited(self, request: DocsAsk, stop: str) -> Sampling:
        """How the reply is drawn: with a limit, and an end where it goes on with sources instead of an answer."""
        sampling = request.sampling
        stops = [*sampling.stop, stop] if len(sampling.stop) < _MOST_STOPS else sampling.stop
        return msgspec.structs.replace(
            sampling, max_tokens=sampling.max_tokens or self._most_tokens(request), stop=stops
        )

    def _most_tokens(self, request: DocsAsk) -> int:
        key = self._key(request)
        thinks = any("thinking" in info.capabilities for info in self._library.ls() if info.key == key)
        return DOCS_ASK_THINKING_TOKENS if thinks and request.options.thinking is not False else DOCS_ASK_TOKENS

    def _key(self, request: DocsAsk) -> str:
        """Of the model that is asked, which is in memory by then."""
        name = request.model or ""
        return next((one.model for one in self._instances.ls() if one.identifier == name), name)

    async def _keep(
        self, request: DocsAsk, answer: Message, model: str | None, citations: Sequence[Citation] = ()
    ) -> None:
        if request.conversation is None:
            return
        rows = await self._store.documents.get(request.filter.documents)
        await self._conversations.keep(
            request.conversation,
            Message(role="user", content=request.question),
            answer,
            model=model,
            attachments=[Attachment(name=row.name, document=row.id, sha256=row.sha256) for row in rows],
            citations=citations,
        )

    def _counter(self, model: str) -> CountTokens:
        """Counts tokens of the model that answers; to be called on a thread."""
        loop = asyncio.get_running_loop()

        def count(texts: list[str]) -> list[int]:
            return asyncio.run_coroutine_threadsafe(self._instances.count_tokens(model, texts), loop).result()

        return count


def _chosen(found: DocsSearchReply, room: int, count: CountTokens) -> _Sources:
    passages = [
        Passage(
            document=one.document,
            name=one.name,
            text=one.text,
            start=one.start,
            end=one.end,
            page=one.page,
            headings=tuple(one.headings),
        )
        for one in found.passages
    ]
    given = chosen(passages, room, count)
    at = {(one.document, one.start, one.end): one for one in found.passages}
    shown = [at[source.passage.document, source.passage.start, source.passage.end] for source in given.sources]
    return _Sources(given, shown, found.note)


def _reply(request: DocsAsk, reply: ChatReply, sources: _Sources, answer: Answer, note: str = "") -> DocsAskReply:
    checked = answer.checked
    note = note if reply.text.strip() else "The model wrote no answer."
    return DocsAskReply(
        model=reply.model,
        text=answer.text,
        outcome=checked.outcome,
        given=sources.given.kind,
        sources=sources.passages,
        citations=[_with_path(citation, sources) for citation in checked.citations],
        finish_reason=reply.finish_reason,
        stats=reply.stats,
        reasoning=reply.reasoning,
        unknown=checked.unknown,
        misquotes=checked.misquotes,
        note=_joined(sources.note, note),
        conversation=request.conversation,
        withheld=answer.withheld,
    )


def _joined(*notes: str) -> str:
    return " ".join(filter(None, notes))


def _with_path(citation: Citation, sources: _Sources) -> Citation:
    return msgspec.structs.replace(citation, path=sources.passages[citation.number - 1].path)


def _query(question: str, history: Sequence[Message]) -> str:
    """What is searched for: the question, and the one before it, which says what "it" is."""
    before = [turn.content for turn in history if turn.role == "user"]
    return f"{question}\n{before[-1]}" if before else question
