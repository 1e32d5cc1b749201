"""Texts that go on, and the middle of files, by real workers: SmolLM2, and a tiny model that can fill in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from samovar_agent.engine.instances import Instances
from samovar_agent.models.gguf import read_header
from samovar_agent.models.library import Library
from tests.samovar_agent.engine.conftest import FakeLibrary
from tests.samovar_agent.http.conftest import Agent, Browser

pytestmark = pytest.mark.model

MODEL, CODER = "maker/small", "maker/coder"


@pytest.fixture
async def real(agent: Agent, small_model: Path, tiny_coder: Path, tmp_path: Path) -> AsyncIterator[Agent]:
    library = FakeLibrary()
    for key, path in ((MODEL, small_model), (CODER, tiny_coder)):
        library.add(key, path, read_header(path))
    services: Any = agent.services
    instances = Instances(
        library=cast(Library, library),
        settings=services.settings,
        events=services.events,
        logs=tmp_path / "logs",
        patience=5.0,
    )
    services.library, services.instances = library, instances
    yield agent
    await agent.server.stop()  # before the workers go
    await instances.close()


@pytest.fixture
async def sdk(real: Agent) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{real.url}/v1", api_key="not-needed", max_retries=0) as client:
        yield client


async def test_several_prompts_whole_and_streamed(sdk: openai.AsyncOpenAI) -> None:
    prompts = ["The capital of France is", "One, two, three,"]
    asked: Any = {"model": MODEL, "prompt": prompts, "temperature": 0, "max_tokens": 5, "echo": True}
    whole = await sdk.completions.create(**asked)
    assert "Paris" in whole.choices[0].text and "four" in whole.choices[1].text
    texts = ["", ""]
    async for chunk in await sdk.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]
    assert all(text.startswith(prompt) for text, prompt in zip(texts, prompts, strict=True))
    assert whole.usage is not None and whole.usage.completion_tokens == 10


async def test_log_probabilities_fit_the_text(sdk: openai.AsyncOpenAI) -> None:
    reply = await sdk.completions.create(
        model=MODEL, prompt="The capital of France is", temperature=0, max_tokens=6, logprobs=3
    )
    (choice,) = reply.choices
    logprobs = choice.logprobs
    assert logprobs is not None and logprobs.tokens and logprobs.text_offset and logprobs.top_logprobs
    assert "".join(logprobs.tokens) == choice.text
    for token, offset, top in zip(logprobs.tokens, logprobs.text_offset, logprobs.top_logprobs, strict=True):
        assert choice.text[offset:].startswith(token)
        assert token in top and len(top) == 3


async def test_how_likely_a_prompt_was(sdk: openai.AsyncOpenAI, browser: Browser) -> None:
    """As programs that evaluate models ask for it, with the next token or without."""
    begin = "The capital of France is"
    written = await sdk.completions.create(model=MODEL, prompt=begin, temperature=0, max_tokens=32, logprobs=2)
    text, known = begin + written.choices[0].text, written.choices[0].logprobs
    tokens = (await browser.ask("POST", "/tokenize", json={"model": MODEL, "content": text})).json()["tokens"]
    assert len(tokens) > 32, "more than are looked at in one step"
    assert known is not None and known.token_logprobs
    for prompt, most in (([tokens], 0), (text, 1)):
        asked: Any = {"model": MODEL, "prompt": prompt, "temperature": 0, "max_tokens": most}
        asked |= {"echo": True, "logprobs": 2}
        reply = await sdk.completions.create(**asked)
        (choice,) = reply.choices
        found = choice.logprobs
        assert reply.usage is not None and reply.usage.completion_tokens == most
        assert found is not None and found.tokens and found.token_logprobs and found.top_logprobs and found.text_offset
        assert "".join(found.tokens) == choice.text and choice.text.startswith(text)
        assert len(found.tokens) == len(tokens) + most == len(found.token_logprobs)
        assert (found.token_logprobs[0], found.top_logprobs[0]) == (None, None)
        end = len(found.tokens) - most
        start = end - len(known.token_logprobs)
        assert found.token_logprobs[start:end] == pytest.approx(known.token_logprobs, abs=0.05)
        for place in range(1, end):
            top = found.top_logprobs[place]
            assert top is not None and top[found.tokens[place]] == found.token_logprobs[place]
            assert choice.text[found.text_offset[place] :].startswith(found.tokens[place])
            if place >= start:
                assert max(top.values()) == found.token_logprobs[place], "it was written greedily"

        told: list[str] = []
        chunks = [
            chunk.choices[0] async for chunk in await sdk.completions.create(**asked, stream=True) if chunk.choices
        ]
        for chunk in chunks:
            told += chunk.logprobs.tokens or [] if chunk.logprobs else []
        assert told == found.tokens
        assert "".join(chunk.text for chunk in chunks) == choice.text


async def test_several_prompts_are_looked_at_beside_a_reply(sdk: openai.AsyncOpenAI) -> None:
    asked: Any = {"model": MODEL, "max_tokens": 24, "temperature": 0}
    alone = await sdk.completions.create(**asked, prompt="Once upon a time")
    prompts = [f"{number} apples and {number} pears are in the basket. " * 4 for number in range(2)]
    beside, scored = await asyncio.gather(
        sdk.completions.create(**asked, prompt="Once upon a time"),
        sdk.completions.create(model=MODEL, prompt=prompts, echo=True, logprobs=1, max_tokens=0),
    )
    assert beside.choices[0].text[:20] == alone.choices[0].text[:20]
    assert [choice.text for choice in scored.choices] == prompts
    for choice, prompt in zip(scored.choices, prompts, strict=True):
        assert choice.logprobs is not None and choice.logprobs.tokens is not None
        assert "".join(choice.logprobs.tokens) == prompt
        single = await sdk.completions.create(model=MODEL, prompt=prompt, echo=True, logprobs=1, max_tokens=0)
        assert single.choices[0].logprobs is not None and choice.logprobs.token_logprobs is not None
        assert single.choices[0].logprobs.token_logprobs is not None
        assert choice.logprobs.token_logprobs[1:] == pytest.approx(
            single.choices[0].logprobs.token_logprobs[1:], abs=0.05
        )


async def test_a_model_that_cannot_fill_in_says_so(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.completions.create(model=MODEL, prompt="a", suffix="b")
    assert (refused.value.code, refused.value.param) == ("model_unsupported", "suffix")
    assert (await sdk.completions.create(model=MODEL, prompt="a", max_tokens=1)).choices


async def test_an_editor_fills_in(sdk: openai.AsyncOpenAI, browser: Browser) -> None:
    reply = await sdk.completions.create(model=CODER, prompt="def f(", suffix="return x", max_tokens=6, temperature=0)
    body: dict[str, Any] = {
        "model": CODER,
        "input_prefix": "def f(",
        "input_suffix": "return x",
        "n_predict": 6,
        "temperature": 0,
    }
    plain = (await browser.ask("POST", "/infill", json=body)).json()
    assert plain["content"] == reply.choices[0].text
    body |= {"input_extra": [{"filename": "a.py", "text": "x <fim_middle> y\n" * 400}], "prompt": "x", "n_indent": 2}
    body |= {"samplers": ["top_k", "top_p", "infill"], "t_max_predict_ms": 5000}
    read = (await browser.ask("POST", "/infill", json={**body, "n_predict": 0})).json()
    assert (read["content"], read["tokens_predicted"]) == ("", 0)
    filled = (await browser.ask("POST", "/infill", json={**body, "stream": True})).events
    assert filled[-1]["stop"] is True
    assert filled[-1]["tokens_evaluated"] == read["tokens_evaluated"]
    assert filled[-1]["tokens_cached"] >= read["tokens_evaluated"] - 1, "what was read before is not read again"


async def test_tokens_and_templates(real: Agent, browser: Browser) -> None:
    text = "Tea ☕ at <|im_start|> five."
    for more in ({}, {"parse_special": False}, {"with_pieces": True}):
        answer = await browser.ask("POST", "/tokenize", json={"model": MODEL, "content": text, **more})
        tokens = [token if isinstance(token, int) else token["id"] for token in answer.json()["tokens"]]
        back = await browser.ask("POST", "/detokenize", json={"tokens": tokens})  # the one in memory
        assert back.json() == {"content": text}
    messages = [{"role": "user", "content": "Hi"}]
    prompt = (await browser.ask("POST", "/apply-template", json={"messages": messages})).json()["prompt"]
    assert prompt.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
