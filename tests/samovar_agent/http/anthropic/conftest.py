"""The official client, and instances that say which stop text ended a reply and how long a prompt is."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import anthropic
import msgspec
import pytest

from samovar_agent.engine.interface import RenderedPrompt
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import AnyDelta, ChatOptions, Message, Progress, Sampling
from tests.samovar_agent.http.conftest import KEY, Agent, Answer, Browser, FakeInstances


@dataclass
class SayingInstances(FakeInstances):
    """- stop_text: what ended the reply. - prompts: those that were rendered."""

    stop_text: str | None = None
    prompts: list[tuple[str | None, Sequence[Message], ChatOptions]] = field(default_factory=list)

    async def _replies(self, model: str, options: ChatOptions) -> AsyncGenerator[Progress | AnyDelta | ChatReply, None]:
        async with contextlib.aclosing(super()._replies(model, options)) as items:
            async for item in items:
                whole = isinstance(item, ChatReply)
                yield msgspec.structs.replace(item, stop_text=self.stop_text) if whole else item

    async def render(
        self,
        model: str | None,
        messages: Sequence[Message],
        options: ChatOptions = ChatOptions(),  # noqa: B008
    ) -> RenderedPrompt:
        """A token a character."""
        if model == "nobody/knows":
            raise SamovarError(FailureCode.MODEL_UNKNOWN, "No model is called that.", hint="See `samovar ls`.")
        self.prompts.append((model, messages, options))
        return RenderedPrompt(text="", tokens=[0] * sum(len(message.content) for message in messages))


@dataclass
class Asking:
    """Asks the agent, and says what came of it at the engine."""

    agent: Agent
    browser: Browser
    instances: SayingInstances

    async def create(self, headers: dict[str, str] | None = None, **body: Any) -> Answer:
        return await self.browser.ask("POST", "/v1/messages", json=message_body(**body), headers=headers)

    async def asked(self, **body: Any) -> tuple[Sequence[Message], Sampling, ChatOptions]:
        answer = await self.create(**body)
        assert answer.status == 200, answer.body
        _, messages, sampling, options = self.instances.calls[-1]
        return messages, sampling, options

    async def refused(self, **body: Any) -> str:
        """The message of the 400."""
        answer = await self.create(**body)
        assert answer.status == 400, answer.body
        error = error_of(answer)
        assert error["type"] == "invalid_request_error"
        return str(error["message"])


def message_body(**changes: Any) -> dict[str, Any]:
    return {"model": KEY, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello?"}], **changes}


def error_of(answer: Answer) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"type", "error", "request_id"} and body["type"] == "error"
    assert set(body["error"]) == {"type", "message"}
    return dict(body["error"])


def events_of(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    """Names and data of the events, which must fit together."""
    found = []
    for event in answer.body.decode().split("\n\n")[:-1]:
        lines = [line for line in event.split("\n") if not line.startswith(":")]
        name, data = lines
        assert name.startswith("event: ") and data.startswith("data: ")
        value = msgspec.json.decode(data[6:])
        assert value["type"] == name[7:]
        found.append((name[7:], value))
    return found


@pytest.fixture
async def asking(idle_agent: Agent, browser: Browser) -> Asking:
    instances = SayingInstances()
    idle_agent.instances = instances
    services: Any = idle_agent.services
    services.instances = instances
    await idle_agent.start()
    return Asking(idle_agent, browser, instances)


@pytest.fixture
async def sdk(asking: Asking) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=asking.agent.url, api_key="not-needed", max_retries=0) as client:
        yield client
