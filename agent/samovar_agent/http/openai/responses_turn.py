"""One request of `POST /v1/responses` being answered, from its search to the response that is kept."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from samovar_agent.documents.answering_sources import Given
from samovar_agent.documents.citations import NOT_FOUND
from samovar_agent.http.answering import ended_early, sentence
from samovar_agent.http.json_body import off_loop
from samovar_agent.http.openai import responses_search as search
from samovar_agent.http.openai.accounting import response_usage, timings
from samovar_agent.http.openai.keeping import keep_of
from samovar_agent.http.openai.model_names import key_of, named
from samovar_agent.http.openai.responses_conversation import conversation
from samovar_agent.http.openai.responses_events import Events
from samovar_agent.http.openai.responses_history import History, history
from samovar_agent.http.openai.responses_items import new_response_id
from samovar_agent.http.openai.responses_reply import (
    FileCitation,
    IncompleteDetails,
    Ours,
    begun,
    response_error,
    told,
)
from samovar_agent.http.openai.responses_request import RESULTS, ResponseRequest
from samovar_agent.http.openai.responses_tools import ToolsGiven
from samovar_agent.http.openai.responses_writing import Writing
from samovar_agent.http.sse import EventStream
from samovar_agent.store.responses import ResponseRow
from samovar_protocol import SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, Message, Progress, Stats, Text

if TYPE_CHECKING:
    from samovar_agent.services import Services


class Asked(NamedTuple):
    """What a request asks. - question, search: where it has documents searched."""

    history: History
    messages: list[Message]
    question: search.Question | None = None
    search: search.Wanted | None = None


class Turn:
    """One answer; made by `turn_of`.

    turn = await turn_of(body, services, client)
    async for events in turn.run(): ...         # bytes, or Progress of what is waited for
    turn.told()                                 # the response

    It is on the disk before the event that says that it is complete. A client that goes away before that has nothing.
    """

    def __init__(
        self, body: ResponseRequest, model: str, tools: ToolsGiven, asked: Asked, services: Services, client: str
    ) -> None:
        self._body, self._model, self._tools, self._asked = body, model, tools, asked
        self._services, self._client = services, client
        self._sampling = body.to_sampling(from_documents=tools.search is not None)
        self._options = body.to_options(tools)
        self._found: search.Found | None = None
        self._given: Given | None = None
        self._events = Events()
        self._response = begun(
            body, self._sampling, id=new_response_id(), created_at=int(time.time()), model=key_of(services, model)
        )
        self._writing = Writing(
            self._events,
            self._response.id,
            summarised=body.wants_summary,
            annotate=self._annotations,
            qualified=tools.qualified,
        )

    async def run(self) -> AsyncGenerator[bytes | Progress, None]:
        """The events, or the progress of what they wait for. Closing the generator stops the work."""
        if self._tools.search is not None:
            yield self._begin()
            async with aclosing(self._search()) as pieces:
                async for piece in pieces:
                    yield piece
        async with aclosing(self._reply()) as items:
            async for item in items:
                if isinstance(item, Progress):
                    yield item
                    continue
                data = b"" if self._events.count else self._begin()
                if not isinstance(item, ChatReply):
                    yield data + self._writing.delta(item)
                    continue
                yield data + self._finish(item)
                await self._keep()
                yield self._events.event(self._response.status, response=self.told())
                return
        raise ended_early()

    async def send(self, events: EventStream) -> None:
        """Send everything as it comes."""
        async with aclosing(self.run()) as pieces:
            async for piece in pieces:
                if isinstance(piece, Progress):
                    await events.comment(sentence(piece))
                else:
                    await events.send(piece)

    async def fail(self, events: EventStream, error: SamovarError) -> None:
        """Tell a failure after something was sent, with what there is of the output."""
        data = (b"" if self._events.count else self._begin()) + self._writing.cut()
        self._response = msgspec.structs.replace(
            self._response,
            status="failed",
            error=response_error(error),
            output=self._writing.items,
            completed_at=None,
            incomplete_details=None,
        )
        with suppress(SamovarError):  # whoever asks for it later is told that it is not there
            await self._keep()
        await events.send(data + self._events.event("failed", response=self.told()))

    def told(self) -> dict[str, Any]:
        """The response as it is now, with what the client asked to be included."""
        response: dict[str, Any] = msgspec.to_builtins(self._response)
        output = told(response["output"], results=self._body.includes(RESULTS), logprobs=True)
        return {**response, "output": output}

    def _begin(self) -> bytes:
        response = self.told()
        return self._events.event("created", response=response) + self._events.event("in_progress", response=response)

    async def _search(self) -> AsyncGenerator[bytes | Progress, None]:
        question, wanted = self._asked.question, self._asked.search
        assert self._tools.search is not None and question is not None and wanted is not None
        data, call = self._writing.search(wanted.request.query)
        yield data
        items = search.found(self._tools.search, wanted, self._services, client=self._client)
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Progress):
                    yield item
                else:
                    self._found = item
        if self._found is None:
            raise ended_early()
        results = search.search_results(self._found)
        call = msgspec.structs.replace(call, status="completed", results=results)
        yield self._writing.searched(call, tell=self._body.includes(RESULTS))
        if self._found.reply.passages or self._must_ask:
            self._given = await search.given_to_read(
                self._found.reply.passages,
                question,
                self._services,
                model=self._model,
                sampling=self._sampling,
                options=self._options,
            )

    @property
    def _must_ask(self) -> bool:
        """Whether the model has something to say also where the documents have nothing."""
        return bool(self._options.tools) or self._options.reply_format is not None

    async def _reply(self) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
        if self._tools.search is not None and self._given is None:
            yield Text(text=NOT_FOUND)
            yield ChatReply(model=self._response.model, text=NOT_FOUND, finish_reason="stop", stats=Stats())
            return
        messages = self._asked.messages
        if self._given is not None and self._asked.question is not None:
            messages = search.prompt(self._asked.question, self._given)
        items = self._services.instances.generate(
            self._model,
            messages,
            self._sampling,
            self._options,
            client=self._client,
            keep=keep_of(self._body.ttl),
        )
        async with aclosing(items):
            async for item in items:
                yield item

    def _finish(self, reply: ChatReply) -> bytes:
        whole = reply.finish_reason != "length"
        data = self._writing.end("completed" if whole else "incomplete")
        ours = Ours(left_out=self._tools.left_out or UNSET, **msgspec.structs.asdict(timings(reply.stats)))
        if self._found is not None and self._asked.question is not None:
            given = self._given or Given(kind="passages", sources=(), code="", tokens=0)
            ours = msgspec.structs.replace(
                ours, documents=search.worth(reply.text, given, self._asked.question, self._found.reply)
            )
        self._response = msgspec.structs.replace(
            self._response,
            status="completed" if whole else "incomplete",
            completed_at=int(time.time()) if whole else None,
            incomplete_details=None if whole else IncompleteDetails("max_output_tokens"),
            model=reply.model,
            output=self._writing.items,
            usage=response_usage(reply.stats, self._writing.reasoning_tokens),
            samovar=ours,
        )
        return data

    def _annotations(self, text: str) -> list[FileCitation]:
        if self._given is None or self._found is None or self._asked.question is None:
            return []
        return search.citations_in(text, self._given, self._asked.question, self._found)

    async def _keep(self) -> None:
        if not self._response.store:
            return
        id_, before = self._response.id, self._asked.history
        row = ResponseRow(
            id=id_,
            created_at=self._response.created_at,
            previous=self._body.previous_response_id,
            input=await off_loop(lambda: before.kept(id_), long=before.long),
            response=msgspec.to_builtins(self._response),
        )
        await self._services.store.responses.put(row, before.chain)


async def turn_of(body: ResponseRequest, tools: ToolsGiven, services: Services, client: str) -> Turn:
    """The answer to a request, not begun yet; raises for whatever can be known to be wrong with it."""
    model = named(services, body.model, "chat")
    before = await history(body, services.store.responses)
    messages = await off_loop(lambda: conversation(before.earlier, before.items, body.instructions), long=before.long)
    asked = Asked(before, messages)
    if tools.search is not None:
        if all(instance.identifier != model for instance in services.instances.ls()):
            services.library.key_of(model)  # raises now, and not after the search
        question = search.question_of(asked.messages)
        wanted = await search.search_request(tools.search, tools.path, question.text, services)
        asked = asked._replace(question=question, search=wanted)
    return Turn(body, model, tools, asked, services, client)
