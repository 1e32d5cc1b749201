"""This API over a real model in a real worker."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from samovar_agent.engine.instances import Instances
from samovar_agent.models.gguf import GgufHeader, read_header
from samovar_agent.models.library import Library
from tests.samovar_agent.engine.conftest import FakeLibrary
from tests.samovar_agent.http.lmstudio.conftest import LmStudio, error, named_events

pytestmark = pytest.mark.model

MODEL = "maker/small"


class RealLibrary(FakeLibrary):
    def header(self, key: str) -> GgufHeader | None:
        return self.files[key].header


@pytest.fixture
async def real(lm: LmStudio, small_model: Path, tmp_path: Path) -> AsyncIterator[LmStudio]:
    library = RealLibrary()
    library.add(MODEL, small_model, read_header(small_model))
    services: Any = lm.agent.services
    instances = Instances(
        library=cast(Library, library),
        settings=services.settings,
        events=services.events,
        logs=tmp_path / "logs",
        patience=5.0,
    )
    services.library, services.instances = library, instances
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(instances.close)
        yield lm


async def test_a_conversation_from_loading_to_unloading(real: LmStudio) -> None:
    asked: dict[str, Any] = {"model": MODEL, "temperature": 0, "max_output_tokens": 12}
    question = "What is the capital of France?"
    events = named_events(await real.chat(**asked, input=question, stream=True, context_length=1024))
    names = list(dict.fromkeys(name for name, _ in events))
    assert names == [
        *("chat.start", "model_load.start", "model_load.progress", "model_load.end", "prompt_processing.start"),
        *("prompt_processing.progress", "prompt_processing.end"),
        *("message.start", "message.delta", "message.end", "chat.end"),
    ]
    result = events[-1][1]["result"]
    text = "".join(data["content"] for name, data in events if name == "message.delta")
    assert result["output"] == [{"type": "message", "content": text}] and text
    stats = result["stats"]
    assert 0 < stats["total_output_tokens"] <= 12 and stats["input_tokens"] > 10
    assert stats["tokens_per_second"] > 0 and stats["time_to_first_token_seconds"] > 0
    assert stats["model_load_time_seconds"] > 0
    second = (await real.chat(**asked, input="Say more.", previous_response_id=result["response_id"])).json()
    assert second["stats"]["input_tokens"] > stats["input_tokens"]
    assert "model_load_time_seconds" not in second["stats"]
    (listed,) = (await real.get("/api/v1/models")).json()["models"]
    assert [one["config"]["context_length"] for one in listed["loaded_instances"]] == [1024]
    assert (await real.post("/api/v1/models/unload", instance_id=MODEL)).json() == {"instance_id": MODEL}
    assert (await real.get(f"/api/v0/models/{MODEL}")).json()["state"] == "not-loaded"


async def test_a_long_prompt_tells_how_far_it_is_read(real: LmStudio) -> None:
    asked: dict[str, Any] = {"model": MODEL, "input": "one two three " * 500, "max_output_tokens": 1}
    events = named_events(await real.chat(**asked, stream=True, context_length=4096))
    told = [data["progress"] for name, data in events if name == "prompt_processing.progress"]
    assert told[0] == 0 and told[-1] == 1 and told == sorted(told)
    assert len(told) >= 4 and 0.2 < told[1] < 0.6, "a step of 512 tokens, and another"


async def test_loading_by_name_and_stats_of_version_0(real: LmStudio) -> None:
    body: dict[str, Any] = {"model": MODEL, "context_length": 512, "identifier": "tiny", "echo_load_config": True}
    loaded = (await real.post("/api/v1/models/load", **body)).json()
    assert (loaded["instance_id"], loaded["load_config"]["context_length"]) == ("tiny", 512)
    assert loaded["load_time_seconds"] > 0
    messages = [{"role": "user", "content": "Hello!"}]
    reply = (await real.post("/api/v0/chat/completions", model="tiny", messages=messages, max_tokens=4)).json()
    assert reply["model_info"]["context_length"] == 512
    assert reply["stats"]["stop_reason"] in ("maxPredictedTokensReached", "eosFound")
    assert reply["stats"]["tokens_per_second"] > 0
    assert reply["runtime"]["name"] == "llama.cpp" and reply["runtime"]["version"]
    text = (await real.post("/api/v0/completions", model="tiny", prompt="One, two, three,", max_tokens=4)).json()
    assert text["choices"][0]["text"] and text["stats"]["generation_time"] > 0


async def test_a_prompt_that_is_too_long_has_its_status(real: LmStudio) -> None:
    answer = await real.chat(model=MODEL, input="tea " * 2000, context_length=256)
    assert (answer.status, error(answer)["code"]) == (400, "context_overflow")
