"""Loading and unloading, field by field."""

from typing import Any

import pytest

from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.lmstudio.conftest import EMBEDDER, THINKER, LmStudio, error

LOAD, UNLOAD = "/api/v1/models/load", "/api/v1/models/unload"


async def test_a_model_is_loaded(lm: LmStudio) -> None:
    body = (await lm.post(LOAD, model=KEY)).json()
    assert body.pop("load_time_seconds") >= 0
    assert body == {"type": "llm", "instance_id": KEY, "status": "loaded"}
    assert lm.instances.loads == [
        {"name": KEY, "context": None, "ttl_seconds": None, "identifier": None, "force": False}
    ]


async def test_how_it_was_loaded_is_echoed(lm: LmStudio) -> None:
    wanted: dict[str, Any] = {
        "context_length": 1000,
        "eval_batch_size": 512,
        "flash_attention": True,
        "num_experts": 8,
        "offload_kv_cache_to_gpu": False,
    }
    body = (await lm.post(LOAD, model=THINKER, **wanted, echo_load_config=True)).json()
    assert body["load_config"] == {
        "context_length": 1000,
        "eval_batch_size": 512,
        "parallel": 64,
        "num_experts": 8,
        "offload_kv_cache_to_gpu": False,
    }
    body = (await lm.post(LOAD, model=EMBEDDER, echo_load_config=True)).json()
    assert (body["type"], body["load_config"]) == ("embedding", {"context_length": 4096})


async def test_our_own_parameters(lm: LmStudio) -> None:
    body = (await lm.post(LOAD, model=KEY, ttl=60, identifier="coder", force=True)).json()
    assert body["instance_id"] == "coder"
    assert lm.instances.loads == [
        {"name": KEY, "context": None, "ttl_seconds": 60.0, "identifier": "coder", "force": True}
    ]


@pytest.mark.parametrize(
    ("model", "param", "value"),
    [
        (KEY, "eval_batch_size", 2048),
        (KEY, "flash_attention", False),
        (KEY, "num_experts", 4),
        (THINKER, "num_experts", 4),
        (KEY, "offload_kv_cache_to_gpu", True),
    ],
)
async def test_what_cannot_be_had_is_refused(lm: LmStudio, model: str, param: str, value: Any) -> None:
    answer = await lm.post(LOAD, model=model, **{param: value})
    assert answer.status == 400
    failure = error(answer)
    assert (failure["type"], failure["code"], failure["param"]) == ("invalid_request", "invalid_value", param)
    assert not lm.instances.loads


async def test_what_is_loaded_otherwise_is_not_called_loaded_so(lm: LmStudio) -> None:
    lm.instances.instance(KEY, ttl_seconds=60)
    assert (await lm.post(LOAD, model=KEY)).status == 200
    assert (await lm.post(LOAD, model=KEY, context_length=4096, ttl=60)).status == 200
    for param, value in (("context_length", 2048), ("context_length", 8192), ("ttl", 30)):
        answer = await lm.post(LOAD, model=KEY, **{param: value})
        assert (answer.status, error(answer)["param"]) == (400, param)


async def test_an_instance_can_be_named_too(lm: LmStudio) -> None:
    lm.instances.instance("coder")
    assert (await lm.post(UNLOAD, instance_id="coder")).json() == {"instance_id": "coder"}
    assert (await lm.post(UNLOAD, instance_id=KEY)).json() == {"instance_id": "coder"}
    assert lm.instances.unloaded == ["coder", "coder"]


async def test_failures(lm: LmStudio) -> None:
    answer = await lm.post(LOAD, model="nobody/knows")
    assert (answer.status, error(answer)["type"]) == (404, "model_not_found")
    answer = await lm.post(UNLOAD, instance_id="nobody")
    assert (answer.status, error(answer)["type"]) == (404, "model_not_found")
    lm.instances.loading = [SamovarError(FailureCode.NOT_ENOUGH_MEMORY, "It does not fit.", hint="Force it.")]
    answer = await lm.post(LOAD, model=KEY)
    assert (answer.status, error(answer)["type"]) == (507, "internal_error")
    assert error(answer)["code"] == "not_enough_memory"


async def test_tokens_need_the_scope(lm: LmStudio) -> None:
    lm.agent.settings.set("server.require_token", True)
    headers = {"Authorization": f"Bearer {lm.agent.tokens.add('chatter', 'chat')}"}
    answer = await lm.browser.ask("POST", LOAD, json={"model": KEY}, headers=headers)
    assert (answer.status, error(answer)["type"]) == (403, "invalid_request")
    headers = {"Authorization": f"Bearer {lm.agent.tokens.add('manager', 'models')}"}
    assert (await lm.browser.ask("POST", LOAD, json={"model": KEY}, headers=headers)).status == 200
