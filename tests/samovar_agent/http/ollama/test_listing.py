"""`/api/tags`, `/api/ps`, `/api/show`, `/api/version` and `/`."""

import time
from datetime import datetime

from samovar_agent import __version__
from samovar_agent.http.ollama.greeting import Version
from samovar_agent.http.ollama.listing import ModelList, RunningList, _expires_at
from samovar_agent.http.ollama.model_details import capabilities, digest, parameter_size
from samovar_agent.http.ollama.show import Shown
from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.http.conftest import model
from tests.samovar_agent.http.described import told
from tests.samovar_agent.http.ollama.conftest import EMBEDDER, FILLER, KEY, NAME, TEMPLATE, OllamaAgent, sentence


async def test_tags(served: OllamaAgent) -> None:
    listed = {entry["name"]: entry for entry in (await served.browser.ask("GET", "/api/tags")).json()["models"]}
    assert set(listed) == {NAME, f"{FILLER}:latest", f"{EMBEDDER}:latest"}
    entry, info = listed[NAME], served.library.info(KEY)
    assert (entry["model"], entry["size"]) == (NAME, info.size_bytes)
    assert len(entry["digest"]) == 64 and entry["digest"] != listed[f"{FILLER}:latest"]["digest"]
    assert abs(datetime.fromisoformat(entry["modified_at"]).timestamp() - info.added_at) < 1
    assert entry["details"] == {
        "parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
        "parameter_size": "4.10K", "quantization_level": "F16",
    }  # fmt: skip
    for name in listed:
        assert (await served.post("show", model=name)).status == 200


async def test_ps(served: OllamaAgent) -> None:
    assert (await served.browser.ask("GET", "/api/ps")).json() == {"models": []}
    loaded_at = time.time()
    served.instances.loaded = [
        InstanceInfo(
            identifier=KEY, model=KEY, state="ready", memory_bytes=5, context_length=512, ttl_seconds=60,
            loaded_at=loaded_at,
        ),
        InstanceInfo(identifier="mine", model="gone/model", state="loading"),
        InstanceInfo(identifier="left", model=KEY, state="unloading"),
    ]  # fmt: skip
    first, second = (await served.browser.ask("GET", "/api/ps")).json()["models"]
    assert (first["name"], first["model"], first["size"], first["context_length"]) == (NAME, NAME, 5, 512)
    assert (first["size_vram"], first["details"]["family"]) == (0, "llama")
    assert abs(datetime.fromisoformat(first["expires_at"]).timestamp() - loaded_at - 60) < 1
    assert (second["name"], second["digest"]) == ("mine:latest", "0" * 64)
    assert datetime.fromisoformat(second["expires_at"]).year > 2100
    assert (await served.chat(model="mine:latest")).status == 200


def test_when_a_model_expires() -> None:
    def left(**values: object) -> float:
        info = InstanceInfo(identifier="a", model="a", state="ready", ttl_seconds=60, **values)  # type: ignore[arg-type]
        return _expires_at(info) - time.time()

    assert -41 < left(loaded_at=time.time() - 500, last_used_at=time.time() - 100) < -39
    assert 59 < left(loaded_at=time.time() - 500, last_used_at=time.time() - 100, active=1) < 61


async def test_show(served: OllamaAgent) -> None:
    shown = (await served.post("show", model="tiny")).json()
    assert (shown["template"], shown["modelfile"], shown["parameters"]) == (TEMPLATE, f"FROM {NAME}\n", "")
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    facts = shown["model_info"]
    assert facts["general.architecture"] == "llama" and facts["llama.context_length"] == 512
    assert facts["general.parameter_count"] == 4096 and facts["llama.embedding_length"] == 64
    assert None not in facts.values()
    assert (await served.post("show", name="tiny:latest")).json()["details"] == shown["details"]
    assert (await served.post("show", model="tiny", system="", template="", options={}, verbose=False)).status == 200
    answer = await served.post("show", model="nobody")
    assert answer.status == 404 and "not found" in sentence(answer)
    answer = await served.post("show", model="tiny", verbose=True)
    assert answer.status == 400 and "verbose" in sentence(answer)


def test_details() -> None:
    assert [parameter_size(size) for size in (None, 7, 134_515_008, 8_030_261_248, 1_500_000_000_000)] == [
        "", "7", "134.52M", "8.0B", "1.5T",
    ]  # fmt: skip
    assert capabilities(model("a/b", capabilities=["chat", "fill-in-the-middle", "vision"])) == ["completion", "insert"]
    assert capabilities(model("a/b", capabilities=["embedding"])) == ["embedding"]
    assert digest(model("a/b", sha256="cd" * 32)) == "cd" * 32
    assert digest(model("a/b", size_bytes=2)) != digest(model("a/b", size_bytes=3))


async def test_who_is_there(served: OllamaAgent) -> None:
    for accept in ({}, {"Accept": "*/*"}):
        answer = await served.browser.ask("GET", "/", headers=accept)
        assert (answer.status, answer.body) == (200, b"Ollama is running")
    assert (await served.browser.ask("HEAD", "/")).status == 200
    in_a_browser = await served.browser.ask("GET", "/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert in_a_browser.body.decode() == f"Samovar {__version__} is running.\n"
    found = (await served.browser.ask("GET", "/api/version")).json()
    # VS Code asks for 0.6.4 at least, and for three numbers.
    assert tuple(map(int, found["version"].split("."))) >= (0, 6, 4) and found["samovar"] == __version__


async def test_replies_are_what_the_description_says(served: OllamaAgent) -> None:
    served.instances.loaded = [InstanceInfo(identifier=KEY, model=KEY, state="ready")]
    for path, kind in (("tags", ModelList), ("ps", RunningList), ("version", Version)):
        assert told(kind, (await served.browser.ask("GET", f"/api/{path}")).json())
    assert told(Shown, (await served.post("show", model=NAME)).json())
