"""Whole responses, what is kept of them, and what can be asked about that."""

import asyncio
from typing import Any

import pytest
from openai.types.responses import Response

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Text, Thinking, ToolCallArguments, ToolCallBegan
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent
from tests.samovar_agent.http.openai.test_chat import TIMINGS
from tests.samovar_agent.http.openai.test_responses_stream import additions

USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 15,
}
UNKNOWN = "resp_" + "0" * 32


async def test_a_whole_response(responses: ResponsesAgent) -> None:
    answer = await responses.create()
    body = answer.json()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("http-")
    id_ = body.pop("id")
    assert id_.startswith("resp_")
    assert 0 <= body.pop("completed_at") - body["created_at"] < 60
    assert body.pop("created_at") > 1_700_000_000
    (message,) = body.pop("output")
    assert message.pop("id").startswith("msg_")
    part = {"type": "output_text", "text": "Hi there", "annotations": [], "logprobs": []}
    assert message == {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    assert body == {
        "object": "response",
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": KEY,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "prompt_cache_retention": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 0.8,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 0.95,
        "truncation": "disabled",
        "usage": USAGE,
        "user": None,
        "samovar": TIMINGS,
    }


async def test_a_call_of_a_namespace_comes_and_goes_back_in_two_parts(responses: ResponsesAgent) -> None:
    clock = {"type": "function", "name": "clock", "parameters": {"type": "object"}}
    tools = [
        {"type": "namespace", "name": "tools", "description": "Of all kinds.", "tools": [clock]},
        {"type": "web_search", "external_web_access": False},
    ]
    responses.instances.items = [
        ToolCallBegan(index=0, id="call_1", name="tools__clock"),
        ToolCallArguments(index=0, json="{}"),
    ]
    first = (await responses.create(tools=tools)).json()
    (call,) = first["output"]
    assert (call["namespace"], call["name"], call["arguments"]) == ("tools", "clock", "{}")
    assert first["tools"] == tools
    assert first["samovar"]["left_out"] == ["web_search"]
    Response.model_validate(first)
    responses.instances.items = [Text(text="Noon.")]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "noon", "namespace": "tools"}
    for body in (
        {"input": [output], "previous_response_id": first["id"]},
        {"input": [{"role": "user", "content": "Hello?"}, call, output], "store": False},
    ):
        answer = await responses.create(**body)
        assert answer.status == 200, answer.body
        asked, called, told = responses.instances.calls[-1][1]
        assert [asked.role, called.tool_calls[0].name, told.name] == ["user", "tools__clock", "tools__clock"]


async def test_what_was_asked_for_is_told_again(responses: ResponsesAgent) -> None:
    tool = {"type": "function", "name": "clock", "parameters": {"type": "object"}}
    schema = {"type": "json_schema", "name": "S", "schema": {"type": "object"}}
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "max_output_tokens": 50,
        "max_tool_calls": 3,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "safety_identifier": "s",
        "temperature": 0.5,
        "top_p": 0.5,
        "user": "u",
        "tool_choice": {"type": "function", "name": "clock"},
        "truncation": "disabled",
    }
    answer = await responses.create(
        **asked, service_tier="flex", tools=[tool], text={"format": schema}, reasoning={"effort": "low"}
    )
    body = answer.json()
    assert additions(Response.model_validate(body, strict=True)) == {"samovar", "store"}
    assert {name: body[name] for name in asked} == asked
    assert body["tools"] == [{**tool, "description": None, "strict": True}]
    assert body["service_tier"] == "default", "what was taken, not what was asked for"
    assert body["text"] == {"format": {**schema, "description": None, "strict": None}, "verbosity": "medium"}
    assert body["reasoning"] == {"effort": "low", "summary": None}


async def test_thoughts_and_calls_are_items_of_their_own(responses: ResponsesAgent) -> None:
    responses.instances.items = [
        Thinking(text="A clock", tokens=2),
        Thinking(text="?"),
        Text(text="Let me look."),
        ToolCallBegan(index=0, id="call_1", name="clock"),
        ToolCallArguments(index=0, json='{"zone":'),
        ToolCallArguments(index=0, json='"UTC"}'),
        ToolCallBegan(index=1, id="call_2", name="sun"),
        ToolCallArguments(index=1, json="{}"),
    ]
    responses.instances.finish_reasons = ["tool_calls"]
    body = (await responses.create()).json()
    thought, message, clock, sun = body["output"]
    assert thought["content"] == [{"type": "reasoning_text", "text": "A clock?"}]
    assert thought["summary"] == []
    assert message["content"][0]["text"] == "Let me look."
    assert clock == {
        "type": "function_call",
        "id": clock["id"],
        "call_id": "call_1",
        "name": "clock",
        "arguments": '{"zone":"UTC"}',
        "status": "completed",
    }
    assert (sun["call_id"], sun["arguments"]) == ("call_2", "{}")
    assert len({item["id"] for item in body["output"]}) == 4
    assert body["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}
    assert body["status"] == "completed"


async def test_thoughts_as_a_summary(responses: ResponsesAgent) -> None:
    responses.instances.items = [Thinking(text="Hm."), Text(text="Yes")]
    for asked in ({"summary": "auto"}, {"summary": "detailed"}, {"generate_summary": "auto"}):
        thought, _ = (await responses.create(reasoning=asked)).json()["output"]
        assert thought["summary"] == [{"type": "summary_text", "text": "Hm."}]
        assert "content" not in thought


async def test_a_limit_makes_it_incomplete(responses: ResponsesAgent) -> None:
    responses.instances.finish_reasons = ["length"]
    body = (await responses.create(max_output_tokens=2)).json()
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert body["output"][0]["status"] == "incomplete"
    assert body["completed_at"] is None
    assert responses.instances.calls[-1][2].max_tokens == 2


async def test_nothing_said_is_an_empty_message(responses: ResponsesAgent) -> None:
    responses.instances.items = []
    (message,) = (await responses.create()).json()["output"]
    assert message["content"][0]["text"] == ""


async def test_it_is_kept_and_can_be_read_and_deleted(responses: ResponsesAgent) -> None:
    body = (await responses.create(metadata={"a": "b"})).json()
    assert (await responses.get(body["id"])).json() == body
    answer = await responses.browser.ask("DELETE", f"/v1/responses/{body['id']}")
    assert answer.json() == {"id": body["id"], "object": "response", "deleted": True}
    assert (await responses.get(body["id"])).status == 404
    again = await responses.browser.ask("DELETE", f"/v1/responses/{body['id']}")
    assert (again.status, again.error["code"]) == (404, "not_found")


async def test_nothing_is_kept_where_nobody_wants_it(responses: ResponsesAgent) -> None:
    body = (await responses.create(store=False)).json()
    assert body["store"] is False
    assert await responses.kept() == 0
    assert (await responses.get(body["id"])).status == 404
    answer = await responses.create(previous_response_id=body["id"])
    assert (answer.status, answer.error["param"]) == (404, "previous_response_id")


async def test_a_conversation_goes_on(responses: ResponsesAgent) -> None:
    first = (await responses.create(input="One?", instructions="Be brief.")).json()
    second = (await responses.create(input="Two?", previous_response_id=first["id"])).json()
    third = (await responses.create(previous_response_id=second["id"], input="Three?")).json()
    messages = responses.instances.calls[-1][1]
    assert [(message.role, message.content) for message in messages] == [
        ("user", "One?"),
        ("assistant", "Hi there"),
        ("user", "Two?"),
        ("assistant", "Hi there"),
        ("user", "Three?"),
    ], "instructions are of one response alone"
    assert third["previous_response_id"] == second["id"]


async def test_input_may_be_missing_where_there_is_something_before(responses: ResponsesAgent) -> None:
    first = (await responses.create()).json()
    answer = await responses.browser.ask(
        "POST", "/v1/responses", json={"model": KEY, "previous_response_id": first["id"]}
    )
    assert answer.status == 200
    assert [message.role for message in responses.instances.calls[-1][1]] == ["user", "assistant"]


async def test_a_hole_in_a_conversation_is_told(responses: ResponsesAgent) -> None:
    first = (await responses.create()).json()
    second = (await responses.create(previous_response_id=first["id"])).json()
    await responses.browser.ask("DELETE", f"/v1/responses/{first['id']}")
    answer = await responses.create(previous_response_id=second["id"])
    assert (answer.status, answer.error["param"]) == (404, "previous_response_id")
    assert first["id"] in answer.error["message"]
    assert (await responses.get(second["id"])).status == 200
    items = (await responses.get(f"{second['id']}/input_items")).json()["data"]
    assert len(items) == 1, "what there still is"


async def test_items_are_referred_to(responses: ResponsesAgent) -> None:
    first = (await responses.create(input="One?")).json()
    (asked,) = (await responses.get(f"{first['id']}/input_items")).json()["data"]
    references = [
        {"type": "item_reference", "id": asked["id"]},
        {"id": first["output"][0]["id"]},
        {"role": "user", "content": "Two?"},
    ]
    second = await responses.create(input=references)
    assert second.status == 200
    assert [message.content for message in responses.instances.calls[-1][1]] == ["One?", "Hi there", "Two?"]
    listed = (await responses.get(f"{second.json()['id']}/input_items?order=asc")).json()["data"]
    assert [item["type"] for item in listed] == ["message"] * 3, "the items themselves"


@pytest.mark.parametrize("id_", ["msg_1", "msg_" + "0" * 32 + "_0", "msg_x", "\0"])
async def test_a_reference_to_nothing(responses: ResponsesAgent, id_: str) -> None:
    answer = await responses.create(input=[{"role": "user", "content": "a"}, {"type": "item_reference", "id": id_}])
    assert (answer.status, answer.error["param"]) == (404, "input[1].id")


async def test_a_reference_to_an_item_that_the_response_does_not_have(responses: ResponsesAgent) -> None:
    first = (await responses.create()).json()
    missing = first["output"][0]["id"].rpartition("_")[0] + "_7"
    answer = await responses.create(input=[{"type": "item_reference", "id": missing}])
    assert (answer.status, answer.error["param"]) == (404, "input[0].id")


async def test_input_items_in_portions(responses: ResponsesAgent) -> None:
    first = (await responses.create(input=[{"role": "user", "content": str(number)} for number in range(4)])).json()
    second = (await responses.create(input="last", previous_response_id=first["id"])).json()
    path = f"{second['id']}/input_items"
    newest = (await responses.get(path)).json()
    texts = [item["content"][0]["text"] for item in newest["data"]]
    assert texts == ["last", "Hi there", "3", "2", "1", "0"]
    assert (newest["object"], newest["has_more"]) == ("list", False)
    assert (newest["first_id"], newest["last_id"]) == (newest["data"][0]["id"], newest["data"][-1]["id"])
    assert newest["data"][0]["content"] == [{"type": "input_text", "text": "last"}]
    assert newest["data"][1]["role"] == "assistant"
    seen: list[str] = []
    after = ""
    while True:
        page = (await responses.get(f"{path}?order=asc&limit=4{after}")).json()
        seen += [item["content"][0]["text"] for item in page["data"]]
        after = f"&after={page['last_id']}"
        if not page["has_more"]:
            break
    assert seen == ["0", "1", "2", "3", "Hi there", "last"]
    empty = (await responses.get(f"{path}?order=asc{after}")).json()
    assert (empty["data"], empty["first_id"], empty["last_id"], empty["has_more"]) == ([], None, None, False)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=nobody", "after"),
        ("before=x", "before"),
        ("include[]=everything", "include[0]"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_bad_query_of_input_items(responses: ResponsesAgent, query: str, param: str) -> None:
    body = (await responses.create()).json()
    answer = await responses.get(f"{body['id']}/input_items?{query}")
    assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("stream=true", "stream"),
        ("stream=maybe", "stream"),
        ("starting_after=3", "starting_after"),
        ("include_obfuscation=true", "include_obfuscation"),
        ("include=nonsense", "include[0]"),
        ("x=1", "x"),
    ],
)
async def test_a_bad_query_of_a_response(responses: ResponsesAgent, query: str, param: str) -> None:
    body = (await responses.create()).json()
    answer = await responses.get(f"{body['id']}?{query}")
    assert (answer.status, answer.error["param"]) == (400, param)
    assert (await responses.get(f"{body['id']}?stream=false&include_obfuscation=false")).status == 200


async def test_unknown_ids(responses: ResponsesAgent) -> None:
    for id_ in (UNKNOWN, "x", "..%2F..", "%00", "%F0%9F%AB%96"):
        for path in (id_, f"{id_}/input_items"):
            assert (await responses.get(path)).status == 404
        for method, path in (("DELETE", id_), ("POST", f"{id_}/cancel")):
            answer = await responses.browser.ask(method, f"/v1/responses/{path}", json={})
            assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_nothing_is_made_in_the_background_that_could_be_cancelled(responses: ResponsesAgent) -> None:
    body = (await responses.create()).json()
    answer = await responses.browser.ask("POST", f"/v1/responses/{body['id']}/cancel", json={})
    assert (answer.status, answer.error["code"]) == (400, "bad_request")


async def test_compaction_is_refused_as_what_it_is(responses: ResponsesAgent) -> None:
    answer = await responses.browser.ask("POST", "/v1/responses/compact", json={"model": KEY, "input": "Hello?"})
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert answer.error["message"].startswith("Conversations are not compacted here.")
    assert (await responses.get("compact")).status == 404, "no response is called so"


async def test_a_failure_has_its_status_and_leaves_nothing(responses: ResponsesAgent) -> None:
    responses.instances.items = [Text(text="Once"), SamovarError(FailureCode.WORKER_CRASHED, "The worker died.")]
    answer = await responses.create()
    assert (answer.status, answer.error["code"]) == (502, "worker_crashed")
    answer = await responses.create(model="nobody/knows")
    assert (answer.status, answer.error["code"]) == (404, "model_unknown")
    assert await responses.kept() == 0


async def test_what_cannot_be_kept_is_not_acknowledged(
    responses: ResponsesAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*arguments: object) -> None:
        raise SamovarError(FailureCode.DISK_FULL, "There is no room.")

    monkeypatch.setattr(responses.store.responses, "put", full)
    assert (await responses.create()).status == 507
    assert (await responses.create(store=False)).status == 200
    *_, failed = (await responses.create(stream=True)).events
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"]["type"] == "disk_full"


async def test_a_client_that_goes_away_stops_the_work(responses: ResponsesAgent) -> None:
    responses.instances.items = [asyncio.Event()]
    asking = asyncio.create_task(responses.create())
    async with asyncio.timeout(5):
        while not responses.instances.calls:
            await asyncio.sleep(0.005)
        asking.cancel()
        await responses.instances.closed.wait()
    assert await responses.kept() == 0


async def test_scopes(responses: ResponsesAgent) -> None:
    responses.agent.settings.set("server.require_token", True)
    chat = {"Authorization": f"Bearer {responses.agent.tokens.add('c', 'chat')}"}
    embed = {"Authorization": f"Bearer {responses.agent.tokens.add('e', 'embed')}"}
    assert (await responses.create()).status == 401
    assert (await responses.create(headers=embed)).status == 403
    body = (await responses.create(headers=chat)).json()
    for path in (body["id"], f"{body['id']}/input_items"):
        assert (await responses.get(path)).status == 401
        assert (await responses.get(path, headers=embed)).status == 403
        assert (await responses.get(path, headers=chat)).status == 200
    assert (await responses.browser.ask("DELETE", f"/v1/responses/{body['id']}", headers=embed)).status == 403


async def test_a_page_that_is_allowed_may_delete(responses: ResponsesAgent) -> None:
    headers = {
        "Origin": responses.agent.url,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = await responses.browser.ask("OPTIONS", "/v1/responses/x", headers=headers)
    assert answer.status == 204
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
