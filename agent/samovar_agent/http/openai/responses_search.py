"""`file_search` of `/v1/responses`: what the documents have on what the user said last, and what a reply cites of it.

The prompt and the checks are those of `samovar docs ask`. A document's text is data, and nothing that it says can be
done: the functions that a request offers beside its search are its caller's, who alone decides what a call sets off.
Who gives both lets text from documents stand where calls are decided on, and should look at a call before making it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from samovar_agent.documents import answering
from samovar_agent.documents.answering_sources import CountTokens, Given, Passage, chosen
from samovar_agent.documents.citations import Checked, check
from samovar_agent.http.errors import bad_request
from samovar_agent.http.openai.filtered_documents import filtered_documents, shown_id
from samovar_agent.http.openai.model_names import key_of
from samovar_agent.http.openai.responses_reply import FileCitation, FromDocuments, Place, SearchResult
from samovar_agent.http.openai.responses_tools import FileSearchTool
from samovar_agent.http.openai.vector_store_objects import STORE_PREFIX
from samovar_agent.http.query import number_of
from samovar_agent.store.attachments import AttachmentRow
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import DocumentFilter, DocumentPassage
from samovar_protocol.replies import DocsSearchReply
from samovar_protocol.requests import DocsSearch
from samovar_protocol.values import ChatOptions, Message, Progress, Sampling

if TYPE_CHECKING:
    from samovar_agent.services import Services

T = TypeVar("T")

_RESULTS = 10
_MOST_QUERY_CHARACTERS = 100_000
_REPLY_TOKENS = 1024
"""Kept for a reply without a limit of its own, where the context is large enough for more than that."""


class Question(msgspec.Struct, frozen=True):
    """What is asked, and the conversation around it. - system: what its owner wants. - after: calls and their outputs
    since the user said something."""

    system: str
    before: list[Message]
    text: str
    after: list[Message]


class Wanted(msgspec.Struct, frozen=True):
    """What to search for. - nowhere: the filter chooses no file, so that there is nothing to search in."""

    request: DocsSearch
    nowhere: bool


class Found(msgspec.Struct, frozen=True):
    """What was found, and the files that the documents were made of; those that were not uploaded have none."""

    reply: DocsSearchReply
    files: Mapping[int, AttachmentRow]


async def search_request(tool: FileSearchTool, path: str, query: str, services: Services) -> Wanted:
    """What to search for, and where; raises `bad_request`, and `not_found` for a store that there is not."""
    names: dict[int, str] = {}
    for index, store in enumerate(tool.vector_store_ids):
        number = number_of(store, STORE_PREFIX)
        try:
            row = await services.store.vector_stores.get(-1 if number is None else number)
        except SamovarError as error:
            raise SamovarError(
                error.code,
                f"There is no vector store '{store[:40]}'.",
                hint="GET /v1/vector_stores lists them.",
                details={"param": f"{path}.vector_store_ids[{index}]"},
            ) from None
        names[row.id] = row.collection
    options = tool.ranking_options
    hybrid = options.hybrid_search if options is not None else None
    if hybrid is not None and (not hybrid.text_weight or hybrid.embedding_weight not in (0, hybrid.text_weight)):
        raise bad_request(
            "Words and meaning count alike here, or words alone.",
            param=f"{path}.ranking_options.hybrid_search",
            hint="Send equal weights, or an embedding_weight of 0.",
        )
    documents = await filtered_documents(services.store.attachments, names, tool.filters, f"{path}.filters")
    request = DocsSearch(
        query=query[:_MOST_QUERY_CHARACTERS],
        collections=list(names.values()),
        filter=DocumentFilter(documents=documents or ()),
        limit=tool.max_num_results or _RESULTS,
        # A reranking model has a scale of its own, on which a threshold from 0 to 1 means nothing.
        rerank=False if _threshold(tool) else None,
        words_only=hybrid is not None and not hybrid.embedding_weight,
    )
    return Wanted(request, nowhere=documents == ())


async def found(
    tool: FileSearchTool, wanted: Wanted, services: Services, *, client: str
) -> AsyncGenerator[Progress | Found, None]:
    """Progress of loading models, then what was found and is good enough."""
    if wanted.nowhere:
        yield Found(DocsSearchReply(passages=[], method="words", note="The filter chooses no file."), {})
        return
    threshold = _threshold(tool)
    items = services.documents.search(wanted.request, client=client)
    try:
        async for item in items:
            if not isinstance(item, DocsSearchReply):
                yield item
                continue
            kept = [passage for passage in item.passages if passage.score >= threshold] if threshold else item.passages
            files = await services.store.attachments.of_documents([passage.document for passage in kept])
            yield Found(msgspec.structs.replace(item, passages=kept), files)
    finally:
        await items.aclose()


def question_of(messages: Sequence[Message]) -> Question:
    """What the user said last, which is asked; raises `bad_request` where that is nothing."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    if last < 0 or not messages[last].content.strip():
        raise bad_request("file_search needs something that the user said.", param="input")
    start = next((at for at, message in enumerate(messages) if message.role != "system"), last)
    system = "\n\n".join(message.content for message in messages[:start])
    return Question(system, list(messages[start:last]), messages[last].content, list(messages[last + 1 :]))


async def given_to_read(
    passages: Sequence[DocumentPassage],
    question: Question,
    services: Services,
    *,
    model: str,
    sampling: Sampling,
    options: ChatOptions,
) -> Given:
    """As many of the passages as the model has room for. Raises `context_overflow`."""
    tools = [msgspec.json.encode(tool).decode() for tool in options.tools]
    tool_tokens = sum(await services.instances.count_tokens(model, ["", *tools]))  # loads it, so that it has a context
    context = _context_tokens({model, key_of(services, model)}, services)
    reply_tokens = sampling.max_tokens or min(_REPLY_TOKENS, context // 4)

    def choose(count: CountTokens) -> Given:
        room = answering.room_for_sources(
            question.text,
            context_tokens=context,
            reply_tokens=reply_tokens + tool_tokens,
            count_tokens=count,
            history=[*question.before, *question.after],
            system=question.system,
        )
        return chosen([_passage(passage) for passage in passages], room, count)

    return await _counting(choose, model, services)


def prompt(question: Question, given: Given) -> list[Message]:
    """The conversation, with the sources where the user's last words are."""
    asked = answering.messages(question.text, given, history=question.before, system=question.system)
    return [*asked, *question.after]


def search_results(found: Found) -> list[SearchResult]:
    """What was found, as clients are told."""
    return [_result(passage, found.files.get(passage.document)) for passage in found.reply.passages]


def citations_in(text: str, given: Given, question: Question, found: Found) -> list[FileCitation]:
    """What a text cites and is there. What only says the same as a source is cited where the sentence ends."""
    return [
        FileCitation(
            file_id=shown_id(citation.document, found.files.get(citation.document)),
            filename=citation.name,
            index=citation.at,
            samovar=Place(
                number=citation.number,
                page=citation.page,
                headings=list(citation.headings),
                start=citation.start,
                end=citation.end,
                quote=citation.quote,
                verbatim=citation.verbatim,
                inferred=citation.inferred,
            ),
        )
        for citation in check(text, given, question=question.text).citations
    ]


def worth(text: str, given: Given, question: Question, reply: DocsSearchReply) -> FromDocuments:
    """What a whole reply is worth."""
    checked: Checked = check(text, given, question=question.text)
    return FromDocuments(
        outcome=checked.outcome,
        passages=len(given.sources),
        unknown=checked.unknown,
        misquotes=checked.misquotes,
        method=reply.method,
        note=reply.note,
    )


def _result(passage: DocumentPassage, file: AttachmentRow | None) -> SearchResult:
    return SearchResult(
        file_id=shown_id(passage.document, file),
        filename=passage.name,
        score=passage.score,
        text=passage.text,
        attributes={} if file is None else dict(file.attributes),
    )


def _passage(passage: DocumentPassage) -> Passage:
    return Passage(
        document=passage.document,
        name=passage.name,
        text=passage.text,
        start=passage.start,
        end=passage.end,
        page=passage.page,
        headings=tuple(passage.headings),
    )


def _threshold(tool: FileSearchTool) -> float:
    return (tool.ranking_options.score_threshold or 0.0) if tool.ranking_options is not None else 0.0


def _context_tokens(names: set[str], services: Services) -> int:
    for instance in services.instances.ls():
        if names & {instance.identifier, instance.model} and instance.context_length:
            return instance.context_length
    raise SamovarError(FailureCode.BUSY, f"{min(names)} was unloaded meanwhile.", hint="Send the request again.")


async def _counting(function: Callable[[CountTokens], T], model: str, services: Services) -> T:
    """Call a function that counts tokens as it goes, which only a worker can do, in a thread of its own."""
    loop = asyncio.get_running_loop()

    def count(texts: list[str]) -> list[int]:
        return asyncio.run_coroutine_threadsafe(services.instances.count_tokens(model, texts), loop).result()

    return await asyncio.to_thread(function, count)
