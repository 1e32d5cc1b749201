"""Turns of a conversation: whole, as events, kept, and cut short."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from samovar_agent.engine.instances import Keep
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions, Progress, Sampling, Text, Thinking, ToolCallArguments, ToolCallBegan
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.lmstudio.conftest import THINKER, LmStudio, error, named_events

CHAT = "/api/v1/chat"
STATS: dict[str, Any] = {
    "input_tokens": 12,
    "total_output_tokens": 3,
    "reasoning_output_tokens": 0,
    "tokens_per_second": 4.0,
    "time_to_first_token_seconds": 0.4,
}
LOADING = [Progress(stage="loading", done=done, total=1, unit="ratio") for done in (0.25, 1)]
Until = Callable[[Callable[[], bool]], Any]


async def test_a_whole_reply(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    body = (await lm.chat()).json()
    assert body.pop("response_id").startswith("resp_")
    assert body == {
        "model_instance_id": KEY,
        "output": [{"type": "message", "content": "Hi there"}],
        "stats": STATS,
    }
    model, messages, sampling, options = lm.instances.calls[0]
    assert (model, sampling, options) == (KEY, Sampling(), ChatOptions())
    assert [(message.role, message.content) for message in messages] == [("user", "Hello?")]


async def test_every_parameter_is_honoured(lm: LmStudio) -> None:
    lm.instances.instance("fast", THINKER)
    given: dict[str, Any] = {"temperature": 0.5, "top_p": 0.25, "top_k": 7, "min_p": 0.125, "repeat_penalty": 1.5}
    body = (
        await lm.chat(
            model=THINKER,
            input=[{"type": "message", "content": "One"}, {"type": "text", "content": "Two"}],
            system_prompt="Be brief.",
            max_output_tokens=9,
            reasoning="off",
            context_length=4000,
            ttl=90,
            store=False,
            integrations=[],
            stream=False,
            **given,
        )
    ).json()
    assert body["model_instance_id"] == "fast" and "response_id" not in body
    model, messages, sampling, options = lm.instances.calls[0]
    assert model == "fast"
    assert [(message.role, message.content) for message in messages] == [("system", "Be brief."), ("user", "One\nTwo")]
    assert sampling == Sampling(max_tokens=9, **given)
    assert options == ChatOptions(thinking=False)
    assert lm.instances.keeps[0] == Keep(ttl_seconds=90, context=4000)
    assert await lm.store.read(lambda db: db.execute("SELECT count(*) FROM responses").fetchone()[0]) == 0


async def test_events_come_in_their_order(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    lm.instances.items = [Thinking(text="Hm", tokens=2), Thinking(text="."), Text(text="Hi"), Text(text="\u2028there")]
    answer = await lm.chat(stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = named_events(answer)
    result = events[-1][1]["result"]
    assert events == [
        ("chat.start", {"model_instance_id": KEY}),
        ("prompt_processing.start", {}),
        ("prompt_processing.progress", {"progress": 0.0}),
        ("prompt_processing.progress", {"progress": 1.0}),
        ("prompt_processing.end", {}),
        ("reasoning.start", {}),
        ("reasoning.delta", {"content": "Hm"}),
        ("reasoning.delta", {"content": "."}),
        ("reasoning.end", {}),
        ("message.start", {}),
        ("message.delta", {"content": "Hi"}),
        ("message.delta", {"content": "\u2028there"}),
        ("message.end", {}),
        ("chat.end", {"result": result}),
    ]
    assert result.pop("response_id").startswith("resp_")
    assert result == {
        "model_instance_id": KEY,
        "output": [{"type": "reasoning", "content": "Hm."}, {"type": "message", "content": "Hi\u2028there"}],
        "stats": {**STATS, "reasoning_output_tokens": 3},
    }


async def test_loading_is_told_and_counted(lm: LmStudio) -> None:
    lm.instances.loading = [*LOADING]
    events = named_events(await lm.chat(stream=True))
    assert [name for name, _ in events[:6]] == [
        *("chat.start", "model_load.start", "model_load.progress", "model_load.progress", "model_load.end"),
        "prompt_processing.start",
    ]
    assert all(data["model_instance_id"] == KEY for _, data in events[:5])
    assert [events[2][1]["progress"], events[3][1]["progress"]] == [0.25, 1.0]
    seconds = events[4][1]["load_time_seconds"]
    stats = events[-1][1]["result"]["stats"]
    assert stats["model_load_time_seconds"] == seconds > 0
    assert stats["time_to_first_token_seconds"] == 0.4, "without loading"


async def test_a_model_that_loads_at_once_was_loaded_too(lm: LmStudio) -> None:
    names = [name for name, _ in named_events(await lm.chat(stream=True))]
    assert names[:4] == ["chat.start", "model_load.start", "model_load.end", "prompt_processing.start"]
    assert "model_load_time_seconds" not in (await lm.chat()).json()["stats"], "the second time it is there"


async def test_who_waits_is_told_before_the_first_word(lm: LmStudio, until: Until) -> None:
    lm.instances.instance(KEY)
    hold = asyncio.Event()
    lm.instances.items = [Progress(stage="queued", done=0, unit="requests"), hold, Text(text="Hi")]
    url = lm.agent.url + CHAT
    async with lm.browser.session.post(url, json={"model": KEY, "input": "Hello?", "stream": True}) as response:
        came = b""
        while b"prompt_processing.progress" not in came:
            came += await response.content.readany()
        assert b"message.start" not in came and came.startswith(b"event: chat.start\n")
        hold.set()
        rest = await response.read()
    assert rest.count(b"prompt_processing.start") == 0 and b"chat.end" in rest


async def test_how_far_a_long_prompt_is_read_is_told(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    reading = [Progress(stage="reading", done=done, total=1, unit="ratio") for done in (0.33, 0.66)]
    lm.instances.items = [Progress(stage="queued", done=3, unit="requests"), *reading, Text(text="Hi")]
    events = named_events(await lm.chat(stream=True))
    assert [data["progress"] for name, data in events if name == "prompt_processing.progress"] == [0.0, 0.33, 0.66, 1.0]
    names = [name for name, _ in events]
    assert names.count("prompt_processing.start") == names.count("prompt_processing.end") == 1
    assert not [name for name in names if name.startswith("model_load")]


async def test_nothing_said_is_an_empty_message(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    lm.instances.items = []
    assert (await lm.chat()).json()["output"] == [{"type": "message", "content": ""}]


async def test_calls_of_what_nobody_offered(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    lm.instances.items = [
        Text(text="Let me see."),
        ToolCallBegan(index=0, id="call_1", name="clock"),
        ToolCallArguments(index=0, json="{}"),
    ]
    lm.instances.finish_reasons = ["tool_calls"]
    answer = await lm.chat(stream=True)
    events = dict(named_events(answer))
    metadata = {"type": "invalid_name", "tool_name": "clock"}
    assert events["tool_call.failure"]["metadata"] == metadata
    result = events["chat.end"]["result"]
    assert result["output"][1] == {
        "type": "invalid_tool_call",
        "reason": events["tool_call.failure"]["reason"],
        "metadata": metadata,
    }
    lm.instances.items, lm.instances.finish_reasons = [Text(text="Yes")], None
    assert (await lm.chat(input="And?", previous_response_id=result["response_id"])).status == 200


async def test_a_conversation_goes_on_where_it_was_kept(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    lm.instances.items = [Thinking(text="Blue."), Text(text="Nice")]
    first = (await lm.chat(input="I like blue.", system_prompt="Be brief.")).json()["response_id"]
    second = (await lm.chat(input="What do I like?", previous_response_id=first)).json()["response_id"]
    await lm.chat(input="Sure?", previous_response_id=second, system_prompt="Be long.")
    said = [[(one.role, one.content) for one in messages] for _, messages, _, _ in lm.instances.calls]
    assert said[1] == [
        ("system", "Be brief."),
        ("user", "I like blue."),
        ("assistant", "Nice"),
        ("user", "What do I like?"),
    ]
    assert lm.instances.calls[1][1][2].reasoning == "Blue."
    assert said[2][0] == ("system", "Be long.") and said[2][1:4] == said[1][1:]
    branch = (await lm.chat(input="Else?", previous_response_id=first)).json()
    assert branch["response_id"] not in (first, second)


async def test_it_is_the_same_store_as_that_of_responses(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    ours = (await lm.chat(input="I like blue.", system_prompt="Be brief.", reasoning="off")).json()["response_id"]
    kept = (await lm.get(f"/v1/responses/{ours}")).json()
    assert kept["status"] == "completed" and kept["instructions"] == "Be brief."
    assert kept["output"][0]["content"][0]["text"] == "Hi there"
    assert kept["usage"]["input_tokens"] == 12 and kept["reasoning"]["effort"] == "none"
    items = (await lm.get(f"/v1/responses/{ours}/input_items")).json()["data"]
    assert [item["content"] for item in items] == [[{"type": "input_text", "text": "I like blue."}]]
    theirs = (await lm.post("/v1/responses", model=KEY, input="And?", previous_response_id=ours)).json()["id"]
    assert (await lm.chat(input="Well?", previous_response_id=theirs)).status == 200
    assert [one.content for one in lm.instances.calls[-1][1]] == [
        *("I like blue.", "Hi there", "And?", "Hi there", "Well?"),
    ]


async def test_a_reply_that_reached_its_limit_is_kept_as_incomplete(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    lm.instances.finish_reasons = ["length"]
    id_ = (await lm.chat(max_output_tokens=2)).json()["response_id"]
    kept = (await lm.get(f"/v1/responses/{id_}")).json()
    assert (kept["status"], kept["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


async def test_what_was_not_kept_is_not_found(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    for stream in (False, True):
        answer = await lm.chat(previous_response_id="resp_nothing", stream=stream)
        assert (answer.status, error(answer)["param"]) == (404, "previous_response_id")
        assert error(answer)["type"] == "invalid_request"
    assert not lm.instances.calls


async def test_a_failure_on_the_way_is_told_with_what_there_is(lm: LmStudio) -> None:
    lm.instances.loading = [*LOADING]
    lm.instances.items = [Text(text="Hi"), SamovarError(FailureCode.WORKER_CRASHED, "It crashed.", hint="Try again.")]
    events = named_events(await lm.chat(stream=True))
    assert [name for name, _ in events[-4:]] == ["message.delta", "message.end", "error", "chat.end"]
    expected = {"message": "It crashed. Try again.", "type": "internal_error", "code": "worker_crashed"}
    assert events[-2][1]["error"] == expected
    result = events[-1][1]["result"]
    assert result["output"] == [{"type": "message", "content": "Hi"}] and "response_id" not in result
    assert result["stats"].pop("model_load_time_seconds") > 0
    assert result["stats"] == {
        "input_tokens": None,
        "total_output_tokens": 1,
        "reasoning_output_tokens": 0,
        "tokens_per_second": None,
        "time_to_first_token_seconds": None,
    }
    assert await lm.store.read(lambda db: db.execute("SELECT count(*) FROM responses").fetchone()[0]) == 0


async def test_a_failure_while_loading_ends_the_stream_in_the_same_way(lm: LmStudio) -> None:
    lm.instances.loading = [LOADING[0], SamovarError(FailureCode.LOAD_FAILED, "It cannot be loaded.")]
    events = named_events(await lm.chat(stream=True))
    assert [name for name, _ in events] == [
        *("chat.start", "model_load.start", "model_load.progress", "error", "chat.end"),
    ]
    assert events[-1][1]["result"]["output"] == []


async def test_a_failure_before_the_first_byte_has_its_status(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    lm.instances.items = [SamovarError(FailureCode.CONTEXT_OVERFLOW, "Too long.", hint="Say less.")]
    for stream in (False, True):
        answer = await lm.chat(stream=stream)
        assert (answer.status, error(answer)["code"]) == (400, "context_overflow")
        answer = await lm.chat(model="nobody/knows", stream=stream)
        assert (answer.status, error(answer)["type"]) == (404, "model_not_found")


async def test_a_client_that_goes_away_ends_the_work(lm: LmStudio, until: Until) -> None:
    lm.instances.instance(KEY)
    lm.instances.endless = True
    url = lm.agent.url + CHAT
    async with lm.browser.session.post(url, json={"model": KEY, "input": "Hello?", "stream": True}) as response:
        await response.content.readany()
        response.close()
    await until(lm.instances.closed.is_set)


@pytest.mark.parametrize("setting", ["off", "on"])
async def test_settings_of_reasoning_that_the_model_has(lm: LmStudio, setting: str) -> None:
    assert (await lm.chat(model=THINKER, reasoning=setting)).status == 200
    assert lm.instances.calls[0][3] == ChatOptions(thinking=setting == "on")


@pytest.mark.parametrize("setting", ["low", "medium", "high"])
async def test_degrees_of_reasoning_are_told_to_templates_that_know_them(lm: LmStudio, setting: str) -> None:
    answer = await lm.chat(model=THINKER, reasoning=setting)
    failure = error(answer)
    assert (answer.status, failure["type"], failure["param"]) == (400, "invalid_request", "reasoning")
    assert failure["code"] == "invalid_value" and "off, on" in failure["message"]
    head = lm.library.headers[THINKER]
    lm.library.headers[THINKER] = replace(head, chat_template="{{ reasoning_effort | default('low') }}")
    assert (await lm.chat(model=THINKER, reasoning=setting)).status == 200
    assert lm.instances.calls[0][3] == ChatOptions(thinking=True, template_arguments={"reasoning_effort": setting})


async def test_a_model_that_does_not_reason_can_only_be_told_so(lm: LmStudio) -> None:
    assert (await lm.chat(reasoning="off")).status == 200
    assert lm.instances.calls[0][3] == ChatOptions()
    answer = await lm.chat(reasoning="on")
    assert (answer.status, error(answer)["param"]) == (400, "reasoning")
