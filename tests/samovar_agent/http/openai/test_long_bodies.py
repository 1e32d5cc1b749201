"""A long body costs other clients nothing: what is done with each of its messages is done beside the event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from samovar_agent.http.openai import chat_request, input_tokens, responses_history, responses_turn
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent

SAID = {"role": "user", "content": "Hello there, and a few words more, so that it is long."}
PARTS = [{"type": "input_text", "text": "a"}]


class Threads:
    """Counts in which threads functions are called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.beside: list[bool] = []

    def watch(self, module: Any, name: str) -> None:
        function: Callable[..., Any] = getattr(module, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self.beside.append(threading.current_thread() is not threading.main_thread())
            return function(*arguments, **named)

        self._monkeypatch.setattr(module, name, watched)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    return Threads(monkeypatch)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/apply-template"])
@pytest.mark.parametrize(("messages", "beside"), [(1, False), (10_000, True)])
async def test_messages(responses: ResponsesAgent, threads: Threads, path: str, messages: int, beside: bool) -> None:
    threads.watch(chat_request, "conversation")
    body = {"model": KEY, "messages": [SAID] * messages}
    assert (await responses.browser.ask("POST", path, json=body)).status == 200
    assert threads.beside == [beside]


@pytest.mark.parametrize(
    ("given", "beside"),
    [
        ([SAID], False),
        ([SAID] * 10_000, True),
        ([{"role": "user", "content": PARTS * 10_000}], True),
        (
            [
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": PARTS * 10_000},
            ],
            True,
        ),
    ],
    ids=["one", "items", "parts", "output"],
)
async def test_items(responses: ResponsesAgent, threads: Threads, given: list[Any], beside: bool) -> None:
    for module, name in (
        (responses_history, "item_of"),
        (responses_history, "stored"),
        (responses_turn, "conversation"),
        (input_tokens, "conversation"),
    ):
        threads.watch(module, name)
    answer = await responses.create(input=given)
    assert answer.status == 200
    counted = {"model": KEY, "input": given}
    assert (await responses.browser.ask("POST", "/v1/responses/input_tokens", json=counted)).status == 200
    assert len(threads.beside) == 3 * len(given) + 2 and set(threads.beside) == {beside}

    threads.beside.clear()  # what is stored is as long as what was sent
    assert (await responses.create(input="And?", previous_response_id=answer.json()["id"])).status == 200
    assert threads.beside[1:] == [beside] * (len(threads.beside) - 1)


async def test_others_are_answered_meanwhile(responses: ResponsesAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    module: Any = responses_history
    real = module.item_of

    def slow(*arguments: Any, **named: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return real(*arguments, **named)

    monkeypatch.setattr(module, "item_of", slow)
    long = asyncio.create_task(responses.create(input=[SAID] * 1000))
    assert await asyncio.to_thread(begun.wait, 30)
    assert (await responses.browser.chat()).status == 200
    go_on.set()
    assert (await long).status == 200


async def test_what_a_long_body_has_too_much_of_is_refused_at_once(responses: ResponsesAgent) -> None:
    bodies: dict[str, Any] = {
        "samplers": "k" * 100,
        "stop": ["a"] * 17,
        "logit_bias": {str(token): 1.0 for token in range(1025)},
        "stop_token_ids": [1] * 65,
    }
    for name, value in bodies.items():
        answer = await responses.browser.chat(**{name: value})
        assert (answer.status, answer.error["param"]) == (400, name)
