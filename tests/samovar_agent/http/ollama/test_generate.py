"""`/api/generate` over HTTP."""

from typing import Any

import pytest

from samovar_agent.engine.instances import Keep
from samovar_protocol.values import Message, Thinking
from tests.samovar_agent.http.ollama.conftest import EMBEDDER, FILLER, KEY, NAME, OllamaAgent, lines, sentence

SENT_BY_THE_CLIENT = {"suffix": "", "system": "", "template": "", "raw": None, "context": None, "images": None}


async def test_it_streams_unless_told_otherwise(served: OllamaAgent) -> None:
    *pieces, done = lines(await served.generate(**SENT_BY_THE_CLIENT))
    assert "".join(piece["response"] for piece in pieces) == "Hi there"
    assert (done["response"], done["done"], done["done_reason"]) == ("", True, "stop")
    served.instances.items = [Thinking(text="Hm"), *served.instances.items]
    whole = (await served.generate(stream=False)).json()
    assert (whole["response"], whole["thinking"], whole["done"], whole["model"]) == ("Hi there", "Hm", True, NAME)
    assert "context" not in whole and "message" not in whole


async def test_a_prompt_is_a_conversation(served: OllamaAgent) -> None:
    await served.generate(system="Be brief.", keep_alive=60, options={"num_ctx": 99}, think=True)
    model, messages, _, options = served.last_call
    assert (model, options.thinking) == (KEY, True)
    assert messages == [Message(role="system", content="Be brief."), Message(role="user", content="Hi")]
    assert served.instances.keeps == [Keep(60, 99)]


async def test_raw_goes_on_from_the_text_as_it_is(served: OllamaAgent) -> None:
    assert (await served.generate(raw=True, options={"seed": 3})).status == 200
    assert served.instances.gone_on == [("Hi", None)] and served.instances.completed[0]["sampling"].seed == 3


async def test_a_suffix_fills_the_gap_before_it(served: OllamaAgent) -> None:
    assert (await served.generate(model=FILLER, suffix="end", prompt="start")).status == 200
    assert (await served.generate(model=FILLER, suffix="end", prompt="")).status == 200
    assert served.instances.gone_on == [("start", "end"), ("", "end")]
    answer = await served.generate(suffix="end")
    assert (answer.status, sentence(answer)) == (400, f'"{NAME}" does not support insert.')


@pytest.mark.parametrize("prompt", ["", None])
async def test_without_a_prompt_it_loads_or_unloads(served: OllamaAgent, prompt: Any) -> None:
    (loaded,) = lines(await served.generate(prompt=prompt))
    assert (loaded["response"], loaded["done"], loaded["done_reason"]) == ("", True, "load")
    (unloaded,) = lines(await served.generate(prompt=prompt, keep_alive=0))
    assert unloaded["done_reason"] == "unload" and served.instances.released == [KEY]
    answer = await served.generate(prompt=prompt, model=EMBEDDER)
    assert (answer.status, sentence(answer)) == (400, f'"{EMBEDDER}" does not support generate.')


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"template": "{{ .Prompt }}"}, "template"),
        ({"context": [1, 2]}, "context"),
        ({"images": ["aGk="]}, "images"),
        ({"width": 512}, "width"),
        ({"height": 512}, "height"),
        ({"steps": 5}, "steps"),
        ({"raw": True, "system": "Be brief."}, "system"),
        ({"suffix": "x", "system": "Be brief."}, "system"),
        ({"raw": True, "think": True}, "think"),
        ({"top_logprobs": 2}, "top_logprobs"),
    ],
)
async def test_what_is_refused_is_named(served: OllamaAgent, body: dict[str, Any], named: str) -> None:
    answer = await served.generate(**body)
    assert answer.status == 400 and named in sentence(answer).casefold()
    assert not served.instances.calls


async def test_nothing_asked_for_is_nothing_refused(served: OllamaAgent) -> None:
    answer = await served.generate(template="", context=[], images=[], width=0, height=None, steps=0, raw=False)
    assert answer.status == 200


async def test_options_without_effect_are_named(served: OllamaAgent) -> None:
    for more in ({}, {"stream": False}, {"prompt": ""}):
        answer = await served.generate(options={"num_batch": 1024}, **more)
        assert (answer.status, answer.headers["Samovar-Without-Effect"]) == (200, "options.num_batch")
