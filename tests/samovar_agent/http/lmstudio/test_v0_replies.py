"""OpenAI's replies with stats, model_info and runtime, whole and streamed."""

from typing import Any

import pytest
from msgspec import UNSET

from samovar_agent.http.lmstudio.v0_accounting import reply_stats, stop_reason
from samovar_agent.http.lmstudio.v0_reply_types import ChatCompletion, EmbeddingList, TextCompletion
from samovar_agent.http.openai.without_effect import HEADER
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import FinishReason, Progress, Sampling, Stats
from tests.samovar_agent.http.conftest import KEY, STATS
from tests.samovar_agent.http.described import told
from tests.samovar_agent.http.lmstudio.conftest import EMBEDDER, LmStudio, error

CHAT = "/api/v0/chat/completions"
TEXT = "/api/v0/completions"
HELLO: dict[str, Any] = {"model": KEY, "messages": [{"role": "user", "content": "Hello?"}]}
STATS_V0 = {"tokens_per_second": 4.0, "time_to_first_token": 0.6, "generation_time": 0.5, "stop_reason": "eosFound"}
ADDED: dict[str, Any] = {
    "stats": {**STATS_V0, "time_to_first_token": pytest.approx(0.6)},
    "model_info": {"arch": "llama", "quant": "Q4_1", "format": "gguf", "context_length": 4096},
    "runtime": {"name": "llama.cpp", "version": "b9999", "supported_formats": ["gguf"]},
}


async def test_a_whole_reply_is_openais_with_more(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    body = (await lm.post(CHAT, **HELLO)).json()
    theirs = (await lm.post("/v1/chat/completions", **HELLO)).json()
    assert {name: body.pop(name) for name in ADDED} == ADDED
    assert body.pop("id").startswith("chatcmpl-") and theirs.pop("id")
    body.pop("created"), theirs.pop("created")
    assert body == theirs


async def test_a_stream_ends_with_the_same(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    for wanted in ({}, {"stream_options": {"include_usage": True}}):
        *chunks, done = (await lm.post(CHAT, **HELLO, stream=True, **wanted)).events
        assert done == "[DONE]"
        assert {name: chunks[-1][name] for name in ADDED} == ADDED
        assert not any(ADDED.keys() & chunk.keys() for chunk in chunks[:-1])
        assert ("usage" in chunks[-1]) is bool(wanted)
        text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
        assert text == "Hi there"


async def test_loading_counts_until_the_first_token(lm: LmStudio) -> None:
    lm.instances.loading = [Progress(stage="loading", done=0.5, total=1, unit="ratio")]
    answer = await lm.post(CHAT, **HELLO, stream=True)
    assert answer.comments == ["loading 50 %"]
    stats = answer.events[-2]["stats"]
    assert 0.4 <= stats["time_to_first_token"] < 0.6, "what the reply says itself, with the real time of loading"
    assert answer.events[-2]["samovar"]["load_seconds"] < 0.2


async def test_a_text_that_goes_on(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    body = (await lm.post(TEXT, model=KEY, prompt="The meaning is", suffix=".", max_tokens=10, stop="X")).json()
    assert body.pop("id").startswith("cmpl-") and body.pop("created") > 1_700_000_000
    usage, _ = body.pop("usage"), body.pop("samovar")
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (12, 3, 15)
    assert body == {
        "object": "text_completion",
        "model": KEY,
        "choices": [{"index": 0, "text": "Hi there", "logprobs": None, "finish_reason": "stop"}],
        **ADDED,
    }
    (asked,) = lm.instances.completed
    assert (asked["model"], asked["prompt"], asked["suffix"]) == (KEY, "The meaning is", ".")
    assert asked["sampling"] == Sampling(max_tokens=10, stop=["X"])


async def test_a_text_as_it_is_written(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    for wanted in (False, True):
        options = {"stream_options": {"include_usage": wanted}}
        *chunks, done = (await lm.post(TEXT, model=KEY, prompt=[1, 2], stream=True, **options)).events
        assert done == "[DONE]"
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        assert [choice["text"] for choice in choices] == ["Hi", " there", ""]
        assert [choice["finish_reason"] for choice in choices] == [None, None, "stop"]
        assert {name: chunks[-1][name] for name in ADDED} == ADDED
        assert (chunks[-1].get("usage") is not None) is wanted
    assert lm.instances.completed[0]["prompt"] == [1, 2]


async def test_how_long_the_model_stays_is_a_matter_of_the_request(lm: LmStudio) -> None:
    await lm.post(CHAT, **HELLO, ttl=60)
    await lm.post(TEXT, model=KEY, prompt="a", ttl=61)
    await lm.post("/api/v0/embeddings", model=EMBEDDER, input="a", ttl=62)
    told = [keep.ttl_seconds for keep in lm.instances.keeps if keep.ttl_seconds is not UNSET]
    assert set(told) == {60, 61, 62}


async def test_several_prompts_and_choices(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    body = (await lm.post(TEXT, model=KEY, prompt=["a", "b"], n=1, echo=True)).json()
    assert [choice["text"] for choice in body["choices"]] == ["aHi there", "bHi there"]
    assert body["model_info"] == ADDED["model_info"]
    whole = (await lm.post(TEXT, model=KEY, prompt="a", stats=True)).body
    assert whole.count(b'"stats"') == 1


async def test_vectors(lm: LmStudio) -> None:
    lm.instances.instance(EMBEDDER, EMBEDDER, context_length=512)
    body = (await lm.post("/api/v0/embeddings", model=EMBEDDER, input="tea")).json()
    assert body == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
        "model": EMBEDDER,
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
        "stats": {
            "tokens_per_second": 14.0,
            "time_to_first_token": None,
            "generation_time": 0.5,
            "stop_reason": None,
        },
        "model_info": {"arch": "bert", "quant": None, "format": "gguf", "context_length": 512},
        "runtime": ADDED["runtime"],
    }
    assert lm.instances.others == [(EMBEDDER, ["tea"], None)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, HELLO),
        (CHAT, {**HELLO, "stream": True}),
        (TEXT, {"model": KEY, "prompt": "Once"}),
        (TEXT, {"model": KEY, "prompt": "Once", "stream": True}),
        ("/api/v0/embeddings", {"model": EMBEDDER, "input": "tea"}),
    ],
)
async def test_what_has_no_effect_is_named(lm: LmStudio, path: str, body: dict[str, Any]) -> None:
    for key in (KEY, EMBEDDER):
        lm.instances.instance(key, key)
    answer = await lm.post(path, **body, user="me")
    assert (answer.status, answer.headers.get(HEADER)) == (200, "user")
    assert HEADER not in (await lm.post(path, **body)).headers


@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_that_does_not_think_is_asked_to_in_vain(lm: LmStudio, stream: bool) -> None:
    lm.instances.instance(KEY, KEY)
    answer = await lm.post(CHAT, **HELLO, stream=stream, reasoning_effort="high")
    assert (answer.status, answer.headers.get(HEADER)) == (200, "reasoning_effort")


async def test_parameters_are_those_of_openais_endpoints(lm: LmStudio) -> None:
    lm.instances.instance(KEY)
    await lm.post(CHAT, **HELLO, temperature=0, max_tokens=-1, top_k=3)
    _, messages, sampling, _ = lm.instances.calls[0]
    assert (sampling.temperature, sampling.max_tokens, sampling.top_k) == (0, None, 3)
    assert messages[0].content == "Hello?"
    answer = await lm.post(CHAT, **HELLO, nonsense=1)
    assert (answer.status, error(answer)["param"]) == (400, "nonsense")


async def test_failures_before_and_after_the_first_byte(lm: LmStudio) -> None:
    lm.instances.loading = [SamovarError(FailureCode.MODEL_UNKNOWN, "No model is called so.", hint="List them.")]
    for stream in (False, True):
        answer = await lm.post(CHAT, **HELLO, stream=stream)
        assert (answer.status, error(answer)["type"]) == (404, "model_not_found")
    lm.instances.instance(KEY)
    lm.instances.items = [*lm.instances.items, SamovarError(FailureCode.WORKER_CRASHED, "It crashed.")]
    *_, last = (await lm.post(CHAT, **HELLO, stream=True)).events
    assert last["error"] == {"message": "It crashed.", "type": "internal_error", "code": "worker_crashed"}


@pytest.mark.parametrize(
    ("finish", "sampling", "reason"),
    [
        ("stop", {}, "eosFound"),
        ("stop", {"stop": ["END"]}, "eosFound"),
        ("stop", {"stop_tokens": [7]}, None),
        ("tool_calls", {"stop": ["END"]}, "toolCalls"),
        ("length", {"max_tokens": 3}, "maxPredictedTokensReached"),
        ("length", {"max_tokens": 100}, "contextLengthReached"),
        ("length", {}, "contextLengthReached"),
    ],
)
def test_reasons_to_stop(finish: FinishReason, sampling: dict[str, Any], reason: str | None) -> None:
    reply = ChatReply(model=KEY, text="", finish_reason=finish, stats=STATS)
    assert STATS.prompt_tokens == 12
    assert stop_reason(reply, Sampling(**sampling), 20) == reason
    stopped = ChatReply(model=KEY, text="", finish_reason="stop", stop_text="END", stats=STATS)
    assert stop_reason(stopped, Sampling(stop=["END"], stop_tokens=[7]), 20) == "stopStringFound"


async def test_a_speed_that_cannot_be_told_is_null(lm: LmStudio) -> None:
    reply = ChatReply(model=KEY, text="", finish_reason="stop", stats=Stats(completion_tokens=1))
    assert reply_stats(reply, Sampling(), lm.instances.instance(KEY)).tokens_per_second is None


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        (CHAT, ChatCompletion, {**HELLO, "logprobs": True}),
        (TEXT, TextCompletion, {"model": KEY, "prompt": ["One", "Two"], "logprobs": 1}),
        ("/api/v0/embeddings", EmbeddingList, {"model": EMBEDDER, "input": "a"}),
        ("/api/v0/embeddings", EmbeddingList, {"model": EMBEDDER, "input": "a", "encoding_format": "base64"}),
    ],
)
async def test_replies_are_what_the_description_says(lm: LmStudio, path: str, kind: Any, body: dict[str, Any]) -> None:
    answer = await lm.post(path, **body)
    assert answer.status == 200, answer.body
    assert told(kind, answer.json())
