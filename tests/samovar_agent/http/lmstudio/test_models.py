"""The listings of both versions, field by field, and what looks for LM Studio on a port."""

from samovar_agent import __version__
from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.engine.conftest import header
from tests.samovar_agent.http.conftest import KEY, model
from tests.samovar_agent.http.lmstudio.conftest import EMBEDDER, THINKER, LmStudio, error

SMOL_V0 = {
    "id": KEY,
    "object": "model",
    "type": "llm",
    "publisher": "HuggingFaceTB",
    "arch": "llama",
    "compatibility_type": "gguf",
    "quantization": "Q4_1",
    "state": "not-loaded",
    "max_context_length": 8192,
    "capabilities": [],
}


async def test_version_0_lists_models_and_their_states(lm: LmStudio) -> None:
    lm.instances.instance("fast", THINKER, context_length=1000)
    body = (await lm.get("/api/v0/models")).json()
    assert body["object"] == "list"
    assert body["data"][0] == SMOL_V0
    thinker = {
        "id": THINKER,
        "object": "model",
        "type": "vlm",
        "publisher": "maker",
        "arch": "qwen3moe",
        "compatibility_type": "gguf",
        "quantization": "Q4_K_M",
        "state": "loaded",
        "max_context_length": 40_960,
        "loaded_context_length": 1000,
        "capabilities": ["tool_use"],
    }
    assert body["data"][1] == thinker
    assert body["data"][2]["type"] == "embeddings" and body["data"][2]["quantization"] is None
    assert body["data"][3] == {**thinker, "id": "fast"}
    assert len(body["data"]) == 4


async def test_version_0_finds_a_model_by_any_name(lm: LmStudio) -> None:
    for name in (KEY, KEY.replace("/", "%2F"), "smollm"):
        assert (await lm.get(f"/api/v0/models/{name}")).json() == SMOL_V0
    lm.instances.instance("coder")
    assert (await lm.get("/api/v0/models/coder")).json()["state"] == "loaded"
    assert (await lm.get(f"/api/v0/models/{KEY}")).json()["loaded_context_length"] == 4096
    answer = await lm.get("/api/v0/models/no/such")
    assert answer.status == 404
    assert error(answer)["type"] == "model_not_found" and error(answer)["code"] == "model_unknown"


async def test_an_instance_on_its_way_is_not_loaded(lm: LmStudio) -> None:
    lm.instances.instance(KEY, state="loading")
    assert (await lm.get(f"/api/v0/models/{KEY}")).json()["state"] == "not-loaded"
    assert (await lm.get("/api/v1/models")).json()["models"][0]["loaded_instances"] == []


async def test_version_1_lists_models_with_what_they_can_do(lm: LmStudio) -> None:
    lm.instances.instance("fast", THINKER, context_length=1000)
    body = (await lm.get("/api/v1/models")).json()
    assert set(body) == {"models"}
    smol, thinker, embedder = body["models"]
    description = smol.pop("description")
    assert isinstance(description, str) and description
    assert smol == {
        "type": "llm",
        "publisher": "HuggingFaceTB",
        "key": KEY,
        "display_name": "SmolLM2 135M Instruct",
        "architecture": "llama",
        "quantization": {"name": "Q4_1", "bits_per_weight": 5.74},
        "size_bytes": 98_362_432,
        "params_string": "135M",
        "loaded_instances": [],
        "max_context_length": 8192,
        "format": "gguf",
        "capabilities": {"vision": False, "trained_for_tool_use": False},
    }
    assert thinker == {
        "type": "llm",
        "publisher": "maker",
        "key": THINKER,
        "display_name": "Thinker 30B",
        "architecture": "qwen3moe",
        "quantization": {"name": "Q4_K_M", "bits_per_weight": None},
        "size_bytes": 1,
        "params_string": "31B",
        "loaded_instances": [
            {
                "id": "fast",
                "config": {
                    "context_length": 1000,
                    "eval_batch_size": 512,
                    "parallel": 64,
                    "num_experts": 8,
                    "offload_kv_cache_to_gpu": False,
                },
            }
        ],
        "max_context_length": 40_960,
        "format": "gguf",
        "capabilities": {
            "vision": True,
            "trained_for_tool_use": True,
            "reasoning": {"allowed_options": ["off", "on"], "default": "on"},
        },
        "description": None,
    }
    assert embedder == {
        "type": "embedding",
        "publisher": "maker",
        "key": EMBEDDER,
        "display_name": "vectors",
        "quantization": None,
        "size_bytes": 1,
        "params_string": None,
        "loaded_instances": [],
        "max_context_length": 512,
        "format": "gguf",
    }


async def test_only_usable_models_are_listed(lm: LmStudio) -> None:
    for state in ("missing", "broken", "partial"):
        lm.library.add(model(f"x/{state}", state=state, capabilities=["chat"]), header())
    lm.instances.loaded.append(InstanceInfo(identifier="gone", model="x/missing", state="ready"))
    assert len((await lm.get("/api/v1/models")).json()["models"]) == 3
    assert len((await lm.get("/api/v0/models")).json()["data"]) == 3


async def test_probes_say_who_is_there(lm: LmStudio) -> None:
    lm.agent.settings.set("server.require_token", True)
    assert (await lm.get("/lmstudio-greeting")).json() == {"lmstudio": True}
    assert (await lm.get("/lms-status")).json() == {"package": "samovar", "version": __version__}
    assert (await lm.get("/api/v1/models")).status == 401


async def test_failures_have_honest_statuses_and_one_shape(lm: LmStudio) -> None:
    for path in ("/api/v0/nothing", "/api/v1/nothing", "/api/v1/models/download/status"):
        answer = await lm.get(path)
        assert (answer.status, error(answer)["type"]) == (404, "invalid_request")
    answer = await lm.get("/api/v1/chat")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert error(answer)["type"] == "invalid_request"
