"""The list of models and single models."""

from samovar_protocol.events import LibraryChanged, SettingChanged
from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.http.conftest import KEY, Agent, Browser, model

ENTRY = {"id": KEY, "object": "model", "created": 1_700_000_000, "owned_by": "HuggingFaceTB"}


async def test_the_list_has_openais_shape(agent: Agent, browser: Browser) -> None:
    answer = await browser.ask("GET", "/v1/models")
    assert answer.json() == {"object": "list", "data": [ENTRY]}
    assert answer.headers["Content-Type"] == "application/json"


async def test_only_usable_models_are_listed(agent: Agent, browser: Browser) -> None:
    agent.library.models += [model(f"x/{state}", state=state) for state in ("missing", "broken", "partial")]
    assert [entry["id"] for entry in (await browser.ask("GET", "/v1/models")).json()["data"]] == [KEY]


async def test_models_are_listed_whatever_they_are_for(agent: Agent, browser: Browser) -> None:
    agent.library.models = [model(f"x/{can}", capabilities=[can]) for can in ("chat", "embedding", "rerank")]
    listed = [entry["id"] for entry in (await browser.ask("GET", "/v1/models")).json()["data"]]
    assert listed == ["x/chat", "x/embedding", "x/rerank"]


async def test_further_names_of_instances_are_listed(agent: Agent, browser: Browser) -> None:
    agent.instances.loaded = [
        InstanceInfo(identifier="coder", model=KEY, state="ready", loaded_at=5.5),
        InstanceInfo(identifier=KEY, model=KEY, state="ready"),
        InstanceInfo(identifier="gone", model=KEY, state="failed"),
    ]
    data = (await browser.ask("GET", "/v1/models")).json()["data"]
    assert data == [ENTRY, {"id": "coder", "object": "model", "created": 5, "owned_by": "HuggingFaceTB"}]


async def test_the_context_is_what_a_request_would_get(agent: Agent, browser: Browser) -> None:
    """Under the names that programs read: OpenRouter's, vLLM's and llama.cpp's."""
    agent.library.models = [
        model("x/large", capabilities=["chat"], context_length=131_072),
        model("x/small", capabilities=["chat"], context_length=2_048),
        model("x/loaded", capabilities=["chat"], context_length=131_072),
        model("x/vectors", capabilities=["embedding"], context_length=512),
        model("x/unknown", capabilities=["chat"]),
    ]
    agent.instances.loaded = [
        InstanceInfo(identifier="x/loaded", model="x/loaded", state="ready", context_length=32_768),
        InstanceInfo(identifier="coder", model="x/large", state="ready", context_length=65_536),
    ]
    data = (await browser.ask("GET", "/v1/models")).json()["data"]
    told = {entry["id"]: (entry.get("context_length"), entry.get("meta")) for entry in data}
    assert told == {
        "x/large": (65_536, {"n_ctx": 65_536, "n_ctx_train": 131_072}),
        "x/small": (2_048, {"n_ctx_train": 2_048}),
        "x/loaded": (32_768, {"n_ctx": 32_768, "n_ctx_train": 131_072}),
        "x/vectors": (None, {"n_ctx_train": 512}),
        "x/unknown": (None, None),
        "coder": (65_536, {"n_ctx": 65_536, "n_ctx_train": 131_072}),
    }
    assert all(entry.get("max_model_len") == entry.get("context_length") for entry in data)
    agent.instances.loaded = []
    assert (await browser.ask("GET", "/v1/models/x/large")).json()["context_length"] == 8_192, "as the settings say"


async def test_a_new_setting_is_told_at_once(agent: Agent, browser: Browser) -> None:
    agent.library.models = [model("x/large", capabilities=["chat"], context_length=131_072)]
    assert (await browser.ask("GET", "/v1/models")).json()["data"][0]["context_length"] == 8_192
    agent.settings.set("models.context_length", 32_768)
    agent.events.publish(SettingChanged(setting=agent.settings.get("models.context_length")))
    assert (await browser.ask("GET", "/v1/models")).json()["data"][0]["context_length"] == 32_768


async def test_the_list_is_made_again_after_an_event_only(agent: Agent, browser: Browser) -> None:
    await browser.ask("GET", "/v1/models")
    agent.library.models.append(model("a/new"))
    assert len((await browser.ask("GET", "/v1/models")).json()["data"]) == 1
    agent.events.publish(LibraryChanged(models=2))
    assert len((await browser.ask("GET", "/v1/models")).json()["data"]) == 2


async def test_one_model_by_key_alias_or_identifier(agent: Agent, browser: Browser) -> None:
    agent.instances.loaded = [InstanceInfo(identifier="coder", model=KEY, state="ready")]
    for name in (KEY, KEY.replace("/", "%2F"), "smollm"):
        assert (await browser.ask("GET", f"/v1/models/{name}")).json() == ENTRY
    assert (await browser.ask("GET", "/v1/models/coder")).json()["id"] == "coder"


async def test_an_unknown_model_is_404(agent: Agent, browser: Browser) -> None:
    answer = await browser.ask("GET", "/v1/models/no/such/model")
    assert (answer.status, answer.error["code"]) == (404, "model_unknown")
    assert answer.error["message"] == "No model is called 'no/such/model'. See `samovar ls`."
