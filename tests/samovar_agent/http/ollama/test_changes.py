"""`/api/delete` and `/api/copy` over HTTP, and what is refused beside them."""

from typing import Any

import pytest

from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.http.ollama.conftest import FILLER, KEY, NAME, OllamaAgent, sentence


async def delete(served: OllamaAgent, **body: Any) -> Any:
    return await served.browser.ask("DELETE", "/api/delete", json=body)


async def names(served: OllamaAgent) -> set[str]:
    return {entry["name"] for entry in (await served.browser.ask("GET", "/api/tags")).json()["models"]}


async def test_a_model_is_deleted(served: OllamaAgent) -> None:
    assert (await delete(served, model="tiny:latest")).status == 200
    assert NAME not in await names(served) and KEY not in [info.key for info in served.library.ls()]
    answer = await delete(served, name="tiny")
    assert answer.status == 404 and "not found" in sentence(answer)


async def test_a_model_in_memory_goes_with_it_but_not_under_somebodys_hands(served: OllamaAgent) -> None:
    served.instances.loaded = [InstanceInfo(identifier=KEY, model=KEY, state="ready", active=1)]
    answer = await delete(served, model=NAME)
    assert (answer.status, sentence(answer)) == (409, f"{KEY} is in memory. Unload it first.")
    assert NAME in await names(served) and not served.instances.released
    served.instances.loaded = [InstanceInfo(identifier=KEY, model=KEY, state="ready")]
    assert (await delete(served, model=NAME)).status == 200
    assert served.instances.released == [KEY] and NAME not in await names(served)


async def test_a_copy_is_a_further_name(served: OllamaAgent) -> None:
    assert (await served.post("copy", source="tiny", destination="backup")).status == 200
    assert "backup:latest" in await names(served)
    for name in ("backup", "backup:latest", "BACKUP"):
        assert (await served.chat(model=name)).status == 200 and served.last_call[0] == KEY
    assert served.agent.settings.current.models.aliases == ["backup=Acme/Tiny@F16"]
    assert (await served.post("copy", source=FILLER, destination="backup:latest")).status == 200
    await served.chat(model="backup")
    assert served.last_call[0] == FILLER, "as Ollama has it, the newer copy counts"
    assert (await delete(served, model="backup")).status == 200
    assert "backup:latest" not in await names(served) and f"{FILLER}:latest" in await names(served)
    assert served.agent.settings.current.models.aliases == []


async def test_a_copy_with_a_tag(served: OllamaAgent) -> None:
    assert (await served.post("copy", source="tiny", destination="me/backup:v1")).status == 200
    assert "me/backup:v1" in await names(served)
    assert (await served.post("show", model="me/backup:v1")).status == 200
    assert (await served.post("show", model="me/backup:v2")).status == 404


@pytest.mark.parametrize(
    "destination", ["Acme/Filler", "filler:latest", "a=b", "a,b", "../x", "a@b", "ä", "a b", "x\n"]
)
async def test_names_that_cannot_be_given(served: OllamaAgent, destination: str) -> None:
    answer = await served.post("copy", source="tiny", destination=destination)
    assert answer.status == 400 and sentence(answer)
    assert served.agent.settings.current.models.aliases == []


async def test_a_model_whose_file_is_gone_and_that_is_still_in_memory_gets_no_name(served: OllamaAgent) -> None:
    served.instances.loaded = [InstanceInfo(identifier="gone/model", model="gone/model", state="ready")]
    answer = await served.post("copy", source="gone/model", destination="mine")
    assert answer.status == 404 and "is gone" in sentence(answer)
    assert served.agent.settings.current.models.aliases == []


async def test_what_there_is_not(served: OllamaAgent) -> None:
    assert (await served.post("copy", source="nobody", destination="x")).status == 404
    for path in ("create", "push", "blobs/sha256:00"):
        answer = await served.post(path, model="x")
        assert answer.status == 400 and len(sentence(answer)) > 20
    assert (await served.browser.ask("HEAD", "/api/blobs/sha256:00")).status == 404
    answer = await served.browser.ask("GET", "/api/nothing")
    assert answer.status == 404 and sentence(answer)
    assert "message" in (await served.browser.ask("GET", "/api/samovar/nothing")).error
    answer = await served.browser.ask("GET", "/api/chat")
    assert answer.status == 405 and sentence(answer) and answer.headers["Allow"] == "POST"
