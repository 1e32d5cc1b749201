"""Tokens of texts, texts of tokens, and prompts, in the shapes of llama.cpp's server."""

from typing import Any

import pytest

from samovar_agent.engine.interface import Tokenization
from tests.samovar_agent.http.conftest import KEY, Agent, Browser


async def ask(browser: Browser, path: str, **body: Any) -> Any:
    answer = await browser.ask("POST", path, json=body)
    assert answer.status == 200, answer.body
    return answer.json()


async def test_tokens_of_a_text(agent: Agent, browser: Browser) -> None:
    assert await ask(browser, "/tokenize", content="ab") == {"tokens": [97, 98]}
    assert [*agent.instances.others[-1]] == [KEY, Tokenization(texts=["ab"], markers=True, listed=True)]
    body = await ask(browser, "/tokenize", content="", add_special=True, parse_special=False, model=KEY)
    assert body == {"tokens": [1]}
    assert [*agent.instances.others[-1]] == [KEY, Tokenization(texts=[""], begin=True, listed=True)]


async def test_tokens_with_their_pieces(browser: Browser, agent: Agent) -> None:
    body = await ask(browser, "/tokenize", content="aÃ茶", with_pieces=True)
    assert body == {
        "tokens": [{"id": 97, "piece": "a"}, {"id": 0xC3, "piece": [0xC3]}, {"id": ord("茶"), "piece": "茶"}]
    }


async def test_the_text_of_tokens(browser: Browser, agent: Agent) -> None:
    assert await ask(browser, "/detokenize", tokens=[72, 105]) == {"content": "Hi"}
    assert await ask(browser, "/detokenize", tokens=[], model=KEY) == {"content": ""}


async def test_the_prompt_of_a_conversation(agent: Agent, browser: Browser) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    ]
    tools = [{"type": "function", "function": {"name": "clock"}}]
    body = await ask(browser, "/apply-template", messages=messages, tools=tools, temperature=0)
    assert body == {"prompt": "<system>Be brief.<user>Hi"}
    model, _, options = agent.instances.others[-1]
    assert model == KEY and options.tools[0].name == "clock"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "content"),
        ("/tokenize", {"content": 5}, "content"),
        ("/tokenize", {"content": "x", "add_special": "yes"}, "add_special"),
        ("/tokenize", {"content": "x", "text": "x"}, "text"),
        ("/tokenize", {"content": "x", "model": ""}, "model"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("/detokenize", {"tokens": "x"}, "tokens"),
        ("/apply-template", {}, "messages"),
        ("/apply-template", {"messages": []}, "messages"),
        ("/apply-template", {"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ("/apply-template", {"messages": [{"role": "user", "content": "x"}], "top_p": 2}, "top_p"),
    ],
)
async def test_wrong_fields_are_named(agent: Agent, browser: Browser, path: str, body: Any, param: str) -> None:
    answer = await browser.ask("POST", path, json=body)
    error = answer.json()["error"]
    assert (answer.status, error["code"], error["type"], error["param"]) == (400, 400, "invalid_request_error", param)
    assert param in error["message"]
