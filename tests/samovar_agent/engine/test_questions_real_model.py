"""What a real model is asked beside its work, and texts that it continues as they are."""

import asyncio

import pytest

from samovar_agent.engine.instances import Keep
from samovar_agent.engine.interface import Tokenization
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Message, Sampling
from tests.samovar_agent.engine.conftest import Bench

pytestmark = pytest.mark.model


async def test_a_text_becomes_tokens_and_these_the_text_again(real_bench: Bench) -> None:
    found = await real_bench.instances.tokenize("small", Tokenization(texts=["Tea at five."], listed=True))
    back = await real_bench.instances.detokenize("small", found.tokens[0])
    assert back.text == "Tea at five." == b"".join(back.pieces).decode()
    assert found.counts == [len(found.tokens[0])]
    marker = await real_bench.instances.tokenize("small", Tokenization(texts=["<|im_start|>"], markers=True))
    assert marker.counts == [1]


async def test_a_prompt_is_told_without_a_reply(real_bench: Bench) -> None:
    messages = [Message(role="user", content="Hello")]
    prompt = await real_bench.instances.render("small", messages)
    assert prompt.text.endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
    items = [item async for item in real_bench.instances.generate("small", messages, Sampling(max_tokens=1))]
    last = items[-1]
    assert isinstance(last, ChatReply)
    assert last.stats.prompt_tokens == len(prompt.tokens)


async def test_a_text_is_continued_as_it_is(real_bench: Bench) -> None:
    items = [
        item
        async for item in real_bench.instances.complete(
            "small", "The capital of France is", Sampling(temperature=0, max_tokens=4), keep=Keep(ttl_seconds=None)
        )
    ]
    last = items[-1]
    assert isinstance(last, ChatReply)
    assert "Paris" in last.text
    assert real_bench.instances.ls()[0].ttl_seconds is None


async def test_a_model_leaves_at_once_where_a_request_says_so(real_bench: Bench) -> None:
    async for _ in real_bench.instances.complete("small", "One", Sampling(max_tokens=1), keep=Keep(ttl_seconds=0)):
        pass
    async with asyncio.timeout(30):
        while real_bench.instances.ls():
            await asyncio.sleep(0.01)
