"""Texts that go on: what is asked of the engine, and what is told of its replies."""

from typing import Any

import pytest
from openai.types import completion_create_params

from samovar_agent.engine.instances import Keep
from samovar_agent.engine.interface import Infill
from samovar_agent.http.openai.completion_request import CompletionRequest
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import AnyJson, Grammar, Progress, Sampling, Text, TokenLogprob
from tests.samovar_agent.http.conftest import KEY, Agent, Answer, Browser
from tests.samovar_agent.http.openai.test_chat import TIMINGS, USAGE

STATS = {"tokens_per_second": 4.0, "time_to_first_token": 0.1 + 0.2 + 0.3, "generation_time": 0.5}


async def complete(browser: Browser, **body: Any) -> Answer:
    return await browser.ask("POST", "/v1/completions", json={"model": KEY, "prompt": "Once", **body})


async def asked(agent: Agent, browser: Browser, **body: Any) -> dict[str, Any]:
    answer = await complete(browser, **body)
    assert answer.status == 200, answer.body
    return agent.instances.completed[-1]


def test_every_documented_parameter_is_known() -> None:
    documented = set(completion_create_params.CompletionCreateParamsNonStreaming.__annotations__)
    documented |= set(completion_create_params.CompletionCreateParamsBase.__annotations__)
    assert documented >= {"prompt", "suffix", "echo"}, "the SDK keeps them elsewhere now"
    assert documented <= set(CompletionRequest.__struct_fields__)


async def test_a_whole_reply(agent: Agent, browser: Browser) -> None:
    body = (await complete(browser)).json()
    assert body.pop("id").startswith("cmpl-") and body.pop("created") > 1_700_000_000
    assert body == {
        "object": "text_completion",
        "model": KEY,
        "choices": [{"index": 0, "text": "Hi there", "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
        "samovar": TIMINGS,
    }


async def test_a_streamed_reply(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Progress(stage="loading", done=1, total=2), Text(text="Hi"), Text(text="\u2028ä")]
    answer = await complete(browser, stream=True, stream_options={"include_usage": True}, stats=True)
    *chunks, done = answer.events
    assert done == "[DONE]" and answer.comments == ["loading 50 %"]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["text"] for choice in choices] == ["Hi", "\u2028ä", ""]
    assert [choice["finish_reason"] for choice in choices] == [None, None, "stop"]
    assert [chunk["usage"] for chunk in chunks] == [None, None, None, USAGE]
    assert chunks[-2]["samovar"] == TIMINGS and chunks[-2]["stats"] == STATS
    assert b"\xe2\x80\xa8" not in answer.body


async def test_stats_where_they_are_asked_for(browser: Browser, agent: Agent) -> None:
    assert (await complete(browser, stats=True)).json()["stats"] == STATS
    assert (await browser.chat(stats=True)).json()["stats"] == STATS
    assert (await browser.chat(stats=True, stream=True)).events[-2]["stats"] == STATS
    assert "stats" not in (await browser.chat()).json()


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        ("one", ["one"]),
        (["one", "two"], ["one", "two"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
async def test_every_form_of_prompt(agent: Agent, browser: Browser, given: Any, prompts: Any) -> None:
    body = (await complete(browser, prompt=given)).json()
    assert [one["prompt"] for one in agent.instances.completed] == prompts
    assert [choice["index"] for choice in body["choices"]] == list(range(len(prompts)))
    assert body["usage"]["prompt_tokens"] == 12 * len(prompts)


async def test_several_choices_to_several_prompts(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [Text(text="x"), Text(text="y", choice=1)]
    agent.instances.finish_reasons = ["stop", "length"]
    body = (await complete(browser, prompt=["a", "b"], n=2, best_of=2, echo=True)).json()
    assert [(one["index"], one["text"], one["finish_reason"]) for one in body["choices"]] == [
        (0, "ax", "stop"),
        (1, "ay", "length"),
        (2, "bx", "stop"),
        (3, "by", "length"),
    ]
    answer = await complete(browser, prompt=["a", "b"], n=2, echo=True, stream=True)
    texts = ["", "", "", ""]
    for chunk in answer.events[:-1]:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == ["ax", "ay", "bx", "by"]


async def test_tokens_are_told_again_as_text(agent: Agent, browser: Browser) -> None:
    body = (await complete(browser, prompt=[[79, 110], [99]], echo=True)).json()
    assert [choice["text"] for choice in body["choices"]] == ["OnHi there", "cHi there"]


async def test_log_probabilities(agent: Agent, browser: Browser) -> None:
    tea = "茶".encode()
    tokens = [
        TokenLogprob(text="a", data=b"a", logprob=-0.5, top=[TokenLogprob(text="b", data=b"b", logprob=-0.25)]),
        TokenLogprob(text="�", data=tea[:1], logprob=float("-inf")),
        TokenLogprob(text="�", data=tea[1:], logprob=-1),
        TokenLogprob(text="c", data=b"c", logprob=-2),
    ]
    agent.instances.items = [Text(text="a", logprobs=tokens[:1]), Text(text="茶c", logprobs=tokens[1:])]
    expected = {
        "tokens": ["a", "bytes:\\xe8", "bytes:\\x8c\\xb6", "c"],
        "token_logprobs": [-0.5, -9999.0, -1.0, -2.0],
        "top_logprobs": [{"b": -0.25, "a": -0.5}, {"bytes:\\xe8": -9999.0}, {"bytes:\\x8c\\xb6": -1.0}, {"c": -2.0}],
        "text_offset": [0, 1, 1, 2],
    }
    assert (await complete(browser, logprobs=1)).json()["choices"][0]["logprobs"] == expected
    assert agent.instances.completed[-1]["options"].top_logprobs == 1
    answer = await complete(browser, logprobs=1, stream=True)
    told: dict[str, list[Any]] = {name: [] for name in expected}
    for chunk in answer.events[:-1]:
        for name, values in (chunk["choices"][0]["logprobs"] or {}).items():
            told[name] += values
    assert told == expected


async def test_defaults(agent: Agent, browser: Browser) -> None:
    call = await asked(agent, browser)
    assert call["sampling"] == Sampling(max_tokens=16)
    assert (call["suffix"], call["infill"], call["keep"]) == (None, Infill(), Keep())
    nothing = dict.fromkeys(set(CompletionRequest.__struct_fields__) - {"model", "prompt"})
    assert (await asked(agent, browser, **nothing))["sampling"] == Sampling(max_tokens=16)


async def test_what_is_passed_on(agent: Agent, browser: Browser) -> None:
    call = await asked(
        agent,
        browser,
        max_tokens=-1,
        suffix="end",
        temperature=0,
        top_k=5,
        stop=["x"],
        seed=3,
        logit_bias={"5": 1},
        response_format={"type": "json_object"},
        ttl=60,
        samplers=["top_k", "infill"],
    )
    off: dict[str, Any] = {"min_p": 0.0, "top_p": 1.0, "temperature": 1.0}
    assert call["sampling"] == Sampling(**off, top_k=5, stop=["x"], seed=3, logit_bias={5: 1})
    assert call["options"].reply_format == AnyJson()
    assert (call["suffix"], call["infill"], call["keep"]) == ("end", Infill(joined=True), Keep(ttl_seconds=60))
    assert (await asked(agent, browser, grammar='root ::= "a"'))["options"].reply_format == Grammar(gbnf='root ::= "a"')
    assert (await asked(agent, browser, suffix=""))["suffix"] is None


async def test_a_prompt_that_is_only_read(agent: Agent, browser: Browser) -> None:
    for stream in (False, True):
        answer = await complete(
            browser, max_tokens=0, echo=True, stream=stream, stream_options={"include_usage": True} if stream else None
        )
        events = [event for event in answer.events if event != "[DONE]"] if stream else [answer.json()]
        assert "".join(choice["text"] for event in events for choice in event["choices"]) == "Once"
        assert events[-1]["usage"]["completion_tokens"] == 0
        assert agent.instances.completed[-1]["sampling"].max_tokens == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": [[1], [2**31]]}, "prompt[1][0]"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": ["a"] * 65, "n": 2}, "n"),
        ({"prompt": [1], "suffix": "x"}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 1, "echo": True, "n": 2}, "n"),
        ({"logprobs": 1, "echo": True, "suffix": "x"}, "suffix"),
        ({"logprobs": 1, "max_tokens": 0}, "logprobs"),
        ({"logprobs": 0, "max_tokens": 0}, "logprobs"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"echo": "yes"}, "echo"),
        ({"suffix": 5}, "suffix"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": 1e300}, "ttl"),
        ({"samplers": ["top_p", "top_k"]}, "samplers"),
        ({"samplers": ["top_k", "top_k"]}, "samplers"),
        ({"samplers": "zz"}, "samplers"),
        ({"samplers": ["infill"]}, "samplers"),
        ({"mirostat": 2}, "mirostat"),
        ({"xtc_probability": 0.5}, "xtc_probability"),
        ({"messages": []}, "messages"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
    ],
)
async def test_wrong_fields_are_named(agent: Agent, browser: Browser, body: dict[str, Any], param: str) -> None:
    answer = await complete(browser, **body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert not agent.instances.completed


async def test_a_model_that_cannot_fill_in(agent: Agent, browser: Browser) -> None:
    agent.instances.items = [
        SamovarError(FailureCode.MODEL_UNSUPPORTED, "It cannot.", hint="Choose.", details={"param": "suffix"})
    ]
    for stream in (False, True):
        answer = await complete(browser, suffix="x", stream=stream)
        assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "model_unsupported", "suffix")


async def test_unknown_models_are_a_404(browser: Browser, agent: Agent) -> None:
    for stream in (False, True):
        answer = await complete(browser, model="nobody/knows", stream=stream)
        assert (answer.status, answer.error["code"]) == (404, "model_unknown")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/embeddings", {"input": "x"}),
        ("/v1/rerank", {"query": "x", "documents": ["a", "b"]}),
    ],
)
async def test_a_request_says_how_long_its_model_stays(
    agent: Agent, browser: Browser, path: str, body: dict[str, Any]
) -> None:
    for more, keep in (({}, Keep()), ({"ttl": None}, Keep()), ({"ttl": 0}, Keep(0)), ({"ttl": 90}, Keep(90))):
        answer = await browser.ask("POST", path, json={"model": KEY, **body, **more})
        assert answer.status == 200, answer.body
        assert agent.instances.keeps[-1] == keep
