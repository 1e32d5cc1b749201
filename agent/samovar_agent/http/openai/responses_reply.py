"""What `/v1/responses` tells: the response and its items, byte for byte as OpenAI's clients expect them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from samovar_agent.http.errors import STATUS, status_of
from samovar_agent.http.openai.accounting import ResponseUsage, Timings
from samovar_agent.http.openai.logprobs import TokenEntry
from samovar_agent.http.openai.responses_request import ResponseRequest
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import Outcome, SearchMethod
from samovar_protocol.values import Sampling

Raw = dict[str, Any]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["in_progress", "completed", "incomplete", "failed"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Our own addition, `samovar`: where exactly a citation leads; see `Citation`."""

    number: int
    page: int | None
    headings: list[str]
    start: int
    end: int
    quote: str | None
    verbatim: bool
    inferred: bool


class FileCitation(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="file_citation"):
    """What a statement is from. - index: the character of the text at which it is cited."""

    file_id: str
    filename: str
    index: int
    samovar: Place


class OutputText(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="output_text"):
    """The text of a message."""

    text: str
    annotations: list[FileCitation] = []
    logprobs: list[TokenEntry] = []


class OutputMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """What the model says."""

    id: str
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: list[OutputText]


class SummaryText(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="summary_text"):
    """Thoughts that were asked for as a summary."""

    text: str


class ReasoningText(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning_text"):
    """Thoughts."""

    text: str


class ReasoningItem(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What the model thinks before it answers."""

    id: str
    status: ItemStatus
    summary: list[SummaryText]
    content: list[ReasoningText] | UnsetType = UNSET


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """A call that wants an answer. - call_id: by which it is answered. - arguments: a JSON object as text.

    - namespace: the group that the function is of, where it is of one.
    """

    id: str
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    arguments: str
    status: ItemStatus


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that was found."""

    file_id: str
    filename: str
    score: float
    text: str
    attributes: Raw = msgspec.field(default_factory=dict)


class FileSearchCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="file_search_call"):
    """A search that was made. - results: None where nobody asked to be told."""

    id: str
    status: Literal["in_progress", "searching", "completed", "failed"]
    queries: list[str]
    results: list[SearchResult] | None = None


OutputItem = OutputMessage | ReasoningItem | FunctionCall | FileSearchCall


class FromDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply from documents is worth; see `DocsAskReply`. - passages: so many the model read."""

    outcome: Outcome
    passages: int
    unknown: list[int]
    misquotes: list[str]
    method: SearchMethod
    note: str


class Ours(Timings, frozen=True, kw_only=True):
    """Our own addition, `samovar`. - left_out: types of tools that there are not, of which the model was not told."""

    left_out: Sequence[str] | UnsetType = UNSET
    documents: FromDocuments | UnsetType = UNSET


class ResponseError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a response failed. - code: OpenAI's next one. - type: ours."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str
    type: str
    param: str | None = None


class IncompleteDetails(msgspec.Struct, frozen=True):
    """Why a response ends before its end."""

    reason: Literal["max_output_tokens"]


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response. What was left out of the request has the value that was taken."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: ResponseStatus
    background: Literal[False] = False
    completed_at: int | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    reasoning: Raw
    safety_identifier: str | None
    service_tier: Literal["default"] = "default"
    store: bool
    temperature: float
    text: Raw
    tool_choice: str | Raw
    tools: list[Raw]
    top_logprobs: int
    top_p: float
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None = None
    user: str | None
    metadata: dict[str, str]
    samovar: Ours | UnsetType = UNSET


def begun(body: ResponseRequest, sampling: Sampling, *, id: str, created_at: int, model: str) -> Response:
    """The response to a request, without any output yet."""
    reasoning, text = body.reasoning, body.text
    wanted = text.format if text is not None else None
    return Response(
        id=id,
        created_at=created_at,
        status="in_progress",
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        max_tool_calls=body.max_tool_calls,
        model=model,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        previous_response_id=body.previous_response_id,
        prompt_cache_key=body.prompt_cache_key,
        prompt_cache_retention=body.prompt_cache_retention,
        reasoning={
            "effort": reasoning.effort if reasoning is not None else None,
            "summary": (reasoning.summary or reasoning.generate_summary) if reasoning is not None else None,
        },
        safety_identifier=body.safety_identifier,
        store=body.store is not False,
        temperature=sampling.temperature,
        text={"format": {"type": "text"} if wanted is None else msgspec.to_builtins(wanted), "verbosity": "medium"},
        tool_choice="auto" if body.tool_choice is None else body.tool_choice,
        tools=[_told_tool(tool) for tool in body.tools or ()],
        top_logprobs=body.top_logprobs or 0,
        top_p=sampling.top_p,
        user=body.user,
        metadata=body.metadata or {},
    )


def told(items: list[Raw], *, results: bool, logprobs: bool) -> list[Raw]:
    """Items without what nobody asked for. - results: of searches."""
    return [_told_item(item, results=results, logprobs=logprobs) for item in items]


def response_error(error: SamovarError) -> ResponseError:
    """A failure in the shape of a response's."""
    if error.code == FailureCode.BUSY:
        code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"] = "rate_limit_exceeded"
    else:
        code = "invalid_prompt" if status_of(error) == STATUS[FailureCode.BAD_REQUEST] else "server_error"
    param = error.failure.details.get("param")
    return ResponseError(code=code, message=str(error), type=error.code, param=None if param is None else str(param))


def _told_item(item: Raw, *, results: bool, logprobs: bool) -> Raw:
    if item["type"] == "file_search_call" and not results:
        return {**item, "results": None}
    if item["type"] == "message" and not logprobs:
        content = [{**part, "logprobs": []} if part.get("logprobs") else part for part in item["content"]]
        return {**item, "content": content}
    return item


def _told_tool(tool: Raw) -> Raw:
    if tool["type"] != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True, **tool}
