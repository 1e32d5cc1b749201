"""The events of streamed responses: which, in which order, and what each holds."""

import asyncio
from typing import Any

import openai
import pydantic
import pytest
from openai.types.responses import ResponseStreamEvent

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import (
    AnyDelta,
    Progress,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

EVENT: pydantic.TypeAdapter[ResponseStreamEvent] = pydantic.TypeAdapter(ResponseStreamEvent)

ADDITIONS = {"samovar", "store", "name", "bytes"}
"""Our own, then what OpenAI tells and its types leave out: of a response, a call's end, and a token's probability."""


async def events_of(responses: ResponsesAgent, **body: Any) -> list[Any]:
    """The events of a stream, each as the official types have it, numbered and named alike in both places."""
    answer = await responses.create(stream=True, **body)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = answer.events
    names = [line[7:] for line in answer.body.decode().split("\n") if line.startswith("event: ")]
    assert names == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        assert additions(EVENT.validate_python(event, strict=True)) <= ADDITIONS
    return events


def additions(value: Any) -> set[str]:
    """Fields that the official types do not know."""
    if isinstance(value, list):
        return set().union(*map(additions, value))
    if not isinstance(value, pydantic.BaseModel):
        return set()
    known = [getattr(value, name) for name in type(value).model_fields]
    return set(value.model_extra or {}).union(*map(additions, known))


def kinds(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


MESSAGE = ["output_item.added", "content_part.added", "output_text.delta", "output_text.delta"]
MESSAGE_DONE = ["output_text.done", "content_part.done", "output_item.done"]


async def test_a_text(responses: ResponsesAgent) -> None:
    events = await events_of(responses)
    assert kinds(events) == ["created", "in_progress", *MESSAGE, *MESSAGE_DONE, "completed"]
    created, progress, added, part, hi, there, text, part_done, done, completed = events
    assert created["response"] == progress["response"]
    assert created["response"]["status"] == "in_progress"
    assert (created["response"]["output"], created["response"]["usage"]) == ([], None)
    item = {"id": added["item"]["id"], "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    assert added["item"] == item
    where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    for event in (part, hi, there, text, part_done):
        assert {name: event[name] for name in where} == where
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    assert part["part"] == empty
    assert [hi["delta"], there["delta"]] == ["Hi", " there"]
    assert (text["text"], text["logprobs"]) == ("Hi there", [])
    assert part_done["part"] == {**empty, "text": "Hi there"}
    assert done["item"] == {**item, "status": "completed", "content": [part_done["part"]]}
    assert completed["response"]["output"] == [done["item"]]
    assert completed["response"]["usage"]["total_tokens"] == 15
    assert completed["response"]["model"] == KEY
    assert (await responses.get(completed["response"]["id"])).json() == completed["response"]


async def test_the_same_as_a_whole_response(responses: ResponsesAgent) -> None:
    whole = (await responses.create()).json()
    streamed = (await events_of(responses))[-1]["response"]
    for response in (whole, streamed):
        for name in ("id", "created_at", "completed_at"):
            response.pop(name)
        response["output"][0].pop("id")
    assert whole == streamed


CALLS: list[AnyDelta] = [
    Thinking(text="A clock"),
    Thinking(text="?"),
    ToolCallBegan(index=0, id="call_1", name="clock"),
    ToolCallArguments(index=0, json='{"zone":'),
    ToolCallArguments(index=0, json='"UTC"}'),
    ToolCallBegan(index=1, id="call_2", name="sun"),
    Text(text="So."),
]
CALL = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"]
CALL_DONE = ["function_call_arguments.done", "output_item.done"]


async def test_thoughts_and_calls(responses: ResponsesAgent) -> None:
    responses.instances.items = [*CALLS]
    events = await events_of(responses)
    assert kinds(events)[2:-1] == [
        *("output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *CALL,
        *CALL_DONE,
        *("output_item.added", *CALL_DONE),
        *("output_item.added", "content_part.added", "output_text.delta", *MESSAGE_DONE),
    ]
    by_kind = {event["type"].removeprefix("response."): event for event in events}
    assert by_kind["reasoning_text.done"]["text"] == "A clock?"
    added, done = (
        [event for event in events if event["type"] == f"response.output_item.{what}"] for what in ("added", "done")
    )
    assert [event["output_index"] for event in added] == [event["output_index"] for event in done] == [0, 1, 2, 3]
    assert added[1]["item"]["arguments"] == "" and added[1]["item"]["call_id"] == "call_1"
    arguments = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert [(event["name"], event["arguments"]) for event in arguments] == [("clock", '{"zone":"UTC"}'), ("sun", "")]
    assert events[-1]["response"]["output"] == [event["item"] for event in done]
    assert {event.get("item_id", added[1]["item"]["id"]) for event in events if event.get("output_index") == 1} == {
        added[1]["item"]["id"]
    }


async def test_thoughts_as_a_summary(responses: ResponsesAgent) -> None:
    responses.instances.items = [Thinking(text="Hm"), Thinking(text="."), Text(text="Yes")]
    events = await events_of(responses, reasoning={"summary": "auto", "effort": "high"})
    assert kinds(events)[2:9] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert events[8]["item"]["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert events[6]["text"] == events[7]["part"]["text"] == "Hm."


async def test_a_limit(responses: ResponsesAgent) -> None:
    responses.instances.finish_reasons = ["length"]
    *_, done, incomplete = await events_of(responses)
    assert done["item"]["status"] == "incomplete"
    assert incomplete["type"] == "response.incomplete"
    assert incomplete["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert (await responses.get(incomplete["response"]["id"])).json()["status"] == "incomplete"


async def test_log_probabilities(responses: ResponsesAgent) -> None:
    other = TokenLogprob(text="Yo", data=b"Yo", logprob=-2.0)
    likely = TokenLogprob(text="Hi", data=b"Hi", logprob=-0.5, top=[other])
    responses.instances.items = [Text(text="Hi", logprobs=[likely]), Text(text="!")]
    events = await events_of(responses, include=["message.output_text.logprobs"], top_logprobs=1)
    entry = {
        "token": "Hi",
        "logprob": -0.5,
        "bytes": [72, 105],
        "top_logprobs": [{"token": "Yo", "logprob": -2.0, "bytes": [89, 111]}],
    }
    assert [event["logprobs"] for event in events if event["type"] == "response.output_text.delta"] == [[entry], []]
    response = events[-1]["response"]
    assert response["output"][0]["content"][0]["logprobs"] == [entry]
    assert response["top_logprobs"] == 1
    kept = (await responses.get(response["id"])).json()
    assert kept["output"][0]["content"][0]["logprobs"] == []
    kept = (await responses.get(f"{response['id']}?include[]=message.output_text.logprobs")).json()
    assert kept["output"][0]["content"][0]["logprobs"] == [entry]


async def test_no_line_of_the_stream_ends_inside_of_a_text(responses: ResponsesAgent) -> None:
    text = "a\u2028b\u2029c\u0085d\ne"
    responses.instances.items = [Thinking(text=text), Text(text=text)]
    answer = await responses.create(stream=True, instructions=text)
    for line in answer.body.decode().splitlines():
        assert line == "" or line.startswith(("data: {", "event: response."))
    assert answer.events[-1]["response"]["output"][1]["content"][0]["text"] == text


async def test_loading_is_told_in_comments_before(responses: ResponsesAgent) -> None:
    responses.instances.items = [Progress(stage="loading", done=1, total=2), *responses.instances.items]
    answer = await responses.create(stream=True)
    assert answer.comments == ["loading 50 %"]
    assert answer.body.startswith(b": loading 50 %\n\nevent: response.created\n")


async def test_a_failure_before_the_first_byte_has_its_status(responses: ResponsesAgent) -> None:
    answer = await responses.create(stream=True, model="nobody/knows")
    assert (answer.status, answer.error["code"]) == (404, "model_unknown")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (FailureCode.WORKER_CRASHED, "server_error"),
        (FailureCode.BUSY, "rate_limit_exceeded"),
        (FailureCode.CONTEXT_OVERFLOW, "invalid_prompt"),
    ],
)
async def test_a_failure_after_that_is_the_last_event_and_is_kept(
    responses: ResponsesAgent, code: str, told: str
) -> None:
    responses.instances.items = [Text(text="Once"), SamovarError(code, "It did not work.", hint="Try again.")]
    events = await events_of(responses)
    assert kinds(events)[-4:] == ["output_text.done", "content_part.done", "output_item.done", "failed"]
    response = events[-1]["response"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == told
    assert response["error"]["message"] == "It did not work. Try again."
    assert response["error"]["type"] == code
    assert response["output"][0]["content"][0]["text"] == "Once"
    assert response["output"][0]["status"] == "incomplete"
    assert (await responses.get(response["id"])).json() == response


async def test_a_failure_while_loading(responses: ResponsesAgent) -> None:
    responses.instances.items = [Progress(stage="loading"), SamovarError(FailureCode.LOAD_FAILED, "No.")]
    events = await events_of(responses)
    assert kinds(events) == ["created", "in_progress", "failed"]
    assert events[-1]["response"]["output"] == []


async def test_an_engine_that_says_nothing_more(responses: ResponsesAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    async def generate(*arguments: Any, **named: Any) -> Any:
        yield Text(text="Once")

    monkeypatch.setattr(responses.instances, "generate", generate)
    assert (await responses.create()).status == 500
    assert kinds(await events_of(responses))[-1] == "failed"


async def test_it_is_kept_before_it_is_told_that_it_is_complete(
    responses: ResponsesAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, put = asyncio.Event(), responses.store.responses.put

    async def slow(*arguments: Any) -> None:
        await going.wait()
        await put(*arguments)

    monkeypatch.setattr(responses.store.responses, "put", slow)
    url = f"{responses.agent.url}/v1/responses"
    body = {"model": KEY, "input": "Hello?", "stream": True}
    read = b""
    async with asyncio.timeout(10), responses.browser.session.post(url, json=body) as answer:
        while b"response.output_item.done" not in read:
            read += await answer.content.readany()
        assert await responses.kept() == 0
        assert b"response.completed" not in read
        going.set()
        read += await answer.content.read()
    assert b"event: response.completed" in read
    assert await responses.kept() == 1


async def test_a_shutdown_ends_it_with_a_failure(responses: ResponsesAgent) -> None:
    responses.instances.endless = True
    url = f"{responses.agent.url}/v1/responses"
    body = {"model": KEY, "input": "Hello?", "stream": True}
    async with asyncio.timeout(20), responses.browser.session.post(url, json=body) as answer:
        await answer.content.readany()
        stopping = asyncio.create_task(responses.agent.server.stop())
        read = b""
        while data := await answer.content.readany():
            read = (read + data)[-100_000_000:]
        await stopping
    last = read.rpartition(b"event: ")[2]
    assert last.startswith(b"response.failed\n")
    assert b'"shutting_down"' in last


async def test_a_client_that_closes_its_stream_stops_the_work(
    responses: ResponsesAgent, sdk: openai.AsyncOpenAI
) -> None:
    responses.instances.endless = True
    stream = await sdk.responses.create(model=KEY, input="Hello?", stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    async with asyncio.timeout(5):
        await responses.instances.closed.wait()
    assert await responses.kept() == 0
