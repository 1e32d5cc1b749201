"""The list of models and single models."""

from samovar_protocol.events import LibraryChanged
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
