"""Filling in, as editors' plugins ask for it, and what they read of the reply."""

from typing import Any

import pytest

from samovar_agent.engine.instances import Keep
from samovar_agent.engine.interface import Infill, SourceFile
from samovar_agent.http.llama_cpp.infill_reply import Infilled
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions, Grammar, InstanceInfo, JsonSchema, Progress, Sampling, Text
from tests.samovar_agent.http.conftest import KEY, STATS, Agent, Answer, Browser
from tests.samovar_agent.http.described import told

VIM_FIELDS = [
    "content",
    "timings/prompt_n",
    "timings/prompt_ms",
    "timings/predicted_n",
    "timings/predicted_per_second",
    "truncated",
    "tokens_cached",
    "no/such/field",
]


async def fill(browser: Browser, **body: Any) -> Answer:
    whole = {"input_prefix": "a = ", "input_suffix": "\nprint(a)", **body}
    return await browser.ask("POST", "/infill", json=whole)


async def asked(agent: Agent, browser: Browser, **body: Any) -> dict[str, Any]:
    answer = await fill(browser, **body)
    assert answer.status == 200, answer.body
    return agent.instances.completed[-1]


async def test_a_whole_reply(agent: Agent, browser: Browser) -> None:
    agent.instances.loaded = [InstanceInfo(identifier="coder", model=KEY, state="ready", context_length=4096)]
    body = (await fill(browser)).json()
    settings = body.pop("generation_settings")
    timings = body.pop("timings")
    assert body == {
        "index": 0,
        "content": "Hi there",
        "tokens": [],
        "id_slot": -1,
        "stop": True,
        "stop_type": "eos",
        "model": KEY,
        "tokens_predicted": 3,
        "tokens_evaluated": 12,
        "tokens_cached": 8,
        "truncated": False,
        "has_new_line": False,
    }
    assert (settings["n_predict"], settings["n_ctx"], settings["model"], settings["top_k"]) == (-1, 4096, KEY, 40)
    assert (timings["cache_n"], timings["prompt_n"], timings["predicted_n"]) == (8, 4, 3)
    assert timings["prompt_ms"] == STATS.prompt_seconds * 1000 and timings["predicted_per_second"] == 6


async def test_a_streamed_reply(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Progress(stage="loading"), Text(text="x", tokens=2), Text(text="\u2028y")]
    answer = await fill(browser, stream=True, n_predict=5)
    *pieces, end = answer.events
    assert [(piece["content"], piece["stop"], piece["tokens_predicted"]) for piece in pieces] == [
        ("x", False, 2),
        ("\u2028y", False, 3),
    ]
    assert (end["content"], end["stop"], end["tokens_evaluated"]) == ("", True, 12)
    assert end["generation_settings"]["n_predict"] == 5 and end["timings"]["prompt_n"] == 4
    assert answer.comments == ["loading"] and b"\xe2\x80\xa8" not in answer.body


async def test_only_the_fields_that_are_asked_for(agent: Agent, browser: Browser) -> None:
    body = (await fill(browser, response_fields=VIM_FIELDS)).json()
    assert list(body) == VIM_FIELDS[:-1]
    assert (body["content"], body["timings/prompt_n"]) == ("Hi there", 4)


async def test_defaults(agent: Agent, browser: Browser) -> None:
    call = await asked(agent, browser)
    assert (call["model"], call["prompt"], call["suffix"]) == (KEY, "a = ", "\nprint(a)")
    assert call["sampling"] == Sampling()
    assert (call["infill"], call["options"], call["keep"]) == (Infill(shorten=True), ChatOptions(), Keep())


async def test_what_an_editor_sends(agent: Agent, browser: Browser) -> None:
    call = await asked(
        agent,
        browser,
        id_slot=0,
        input_extra=[{"filename": "b.py", "text": "b = 1", "time": 5}, {"text": "c"}],
        prompt="1 +",
        n_predict=128,
        n_indent=4,
        stop=[],
        top_k=40,
        top_p=0.99,
        stream=False,
        samplers=["top_k", "top_p", "infill"],
        cache_prompt=True,
        t_max_prompt_ms=500,
        t_max_predict_ms=1000,
        model=KEY,
        ttl=9,
    )
    assert call["infill"] == Infill(
        files=[SourceFile(name="b.py", text="b = 1"), SourceFile(name="tmp", text="c")],
        begun="1 +",
        shorten=True,
        indent=4,
        seconds=1.0,
        joined=True,
    )
    assert call["sampling"] == Sampling(top_k=40, top_p=0.99, min_p=0, temperature=1, max_tokens=128)
    assert (call["model"], call["keep"]) == (KEY, Keep(ttl_seconds=9))


async def test_an_editor_has_its_files_read_before_it_asks(agent: Agent, browser: Browser) -> None:
    extra = [{"filename": "b.py", "text": "b = 1"}]
    answer = await fill(browser, n_predict=0, samplers=[], input_extra=extra, t_max_predict_ms=1)
    body = answer.json()
    assert (body["content"], body["tokens_predicted"], body["stop_type"]) == ("", 0, "limit")
    assert agent.instances.completed[-1]["sampling"].max_tokens == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"n_predict": -1}, Sampling()),
        ({"max_tokens": 7}, Sampling(max_tokens=7)),
        ({"seed": -1}, Sampling()),
        ({"seed": 5}, Sampling(seed=5)),
        ({"logit_bias": [[5, 1.5], ["7", False]]}, Sampling(logit_bias={5: 1.5, 7: -100})),
        ({"logit_bias": {"5": -1}}, Sampling(logit_bias={5: -1})),
        ({"samplers": "edskypmxt"}, Sampling()),
        ({"samplers": ["temp", "nucleus"][::-1]}, Sampling(top_k=0, min_p=0)),
        ({"mirostat": 0, "xtc_probability": 0.0, "lora": [], "n_probs": 0, "n_keep": -1, "n_cmpl": 1}, Sampling()),
    ],
    ids=str,
)
async def test_sampling(agent: Agent, browser: Browser, given: dict[str, Any], expected: Sampling) -> None:
    assert (await asked(agent, browser, **given))["sampling"] == expected


async def test_what_the_reply_must_be(agent: Agent, browser: Browser) -> None:
    schema = {"type": "object"}
    assert (await asked(agent, browser, json_schema=schema))["options"].reply_format == JsonSchema(json_schema=schema)
    grammar = 'root ::= "a"'
    assert (await asked(agent, browser, grammar=grammar))["options"].reply_format == Grammar(gbnf=grammar)


async def test_a_full_context_is_told(agent: Agent, browser: Browser) -> None:
    agent.instances.loaded = [InstanceInfo(identifier="coder", model=KEY, state="ready", context_length=15)]
    agent.instances.finish_reasons = ["length"]
    body = (await fill(browser)).json()
    assert body["truncated"] is True and body["stop_type"] == "limit"
    agent.instances.finish_reasons = ["stop"]
    assert "stop_type" not in (await fill(browser, stop=["x"])).json()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input_prefix": None}, "input_prefix"),
        ({"input_suffix": 5}, "input_suffix"),
        ({"input_extra": {}}, "input_extra"),
        ({"input_extra": [{}]}, "input_extra[0].text"),
        ({"input_extra": [{"text": "x", "mood": 1}]}, "input_extra[0].mood"),
        ({"prompt": [1]}, "prompt"),
        ({"n_predict": -2}, "n_predict"),
        ({"n_predict": "x"}, "n_predict"),
        ({"n_indent": -1}, "n_indent"),
        ({"t_max_predict_ms": -1}, "t_max_predict_ms"),
        ({"logit_bias": [["the", 1]]}, "logit_bias"),
        ({"logit_bias": [[1, True]]}, "logit_bias"),
        ({"logit_bias": {"5": "x"}}, "logit_bias"),
        ({"n_probs": 3}, "n_probs"),
        ({"lora": [{"id": 0, "scale": 1}]}, "lora"),
        ({"n_cmpl": 2}, "n_cmpl"),
        ({"return_tokens": True}, "return_tokens"),
        ({"samplers": ["top_k", "nonsense"]}, "samplers"),
        ({"samplers": ["temperature", "top_k"]}, "samplers"),
        ({"json_schema": {}, "grammar": "x"}, "grammar"),
        ({"temperature": -1}, "temperature"),
        ({"tools": []}, "tools"),
    ],
)
async def test_wrong_fields_are_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    answer = await fill(browser, **body)
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["param"]) == (400, 400, param)
    assert param in error["message"]
    assert not agent.instances.completed


async def test_failures_have_the_shape_of_llama_cpp(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [
        SamovarError(FailureCode.MODEL_UNSUPPORTED, "It cannot.", hint="Choose.", details={"param": "suffix"})
    ]
    answer = await fill(browser)
    assert (answer.status, answer.json()["error"]["code"]) == (400, 400)
    agent.instances.items = [Text(text="x"), SamovarError(FailureCode.WORKER_CRASHED, "It died.")]
    assert (await fill(browser, stream=True)).events[-1]["error"]["type"] == "server_error"
    details: Any = {"prompt_tokens": 9, "context_length": 5}
    agent.instances.items = [SamovarError(FailureCode.CONTEXT_OVERFLOW, "Too long.", details=details)]
    error = (await fill(browser)).json()["error"]
    assert (error["type"], error["n_prompt_tokens"], error["n_ctx"]) == ("exceed_context_size_error", 9, 5)
    assert (await fill(browser, model="nobody/knows")).json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("more", [{}, {"stop": ["x"]}, {"n_predict": 3}, {"n_predict": 0}])
async def test_replies_are_what_the_description_says(agent: Agent, browser: Browser, more: dict[str, Any]) -> None:
    whole = (await fill(browser, **more)).json()
    pieces = (await fill(browser, **more, stream=True)).events
    assert all(told(Infilled, one) for one in [whole, *pieces])
    assert set(Infilled.__annotations__) - set(whole) <= {"stop_type"}
