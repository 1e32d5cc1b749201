"""The release tool: the built-in catalog anew, from a hub."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.models.catalog import Catalog
from tests.hub_server import HubServer, Override
from tests.hub_server.fixtures import hub_server
from tests.installers.shell import CLONE

__all__ = ["hub_server"]

TOOL = CLONE / "installers" / "build_catalog.py"
CONTENT, OTHER = b"GGUF" + b"1" * 100, b"GGUF" + b"2" * 200


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entry(name: str, *files: dict[str, Any], **more: Any) -> dict[str, Any]:
    hub = {"kind": "hub", "repository": f"acme/{name}-GGUF"}
    return {
        "name": name,
        "publisher": "Acme",
        "title": name,
        "description": name,
        "hub": hub,
        "files": list(files),
        **more,
    }


def file(quantization: str, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"quantization": quantization, "parts": list(parts), **more}


class Workshop:
    """A catalog, a hub, and the tool that brings them together, as a release would run it."""

    def __init__(self, hub: HubServer, folder: Path) -> None:
        self.hub, self.source, self.out = hub, folder / "old.json", folder / "new.json"

    def run(self, *models: dict[str, Any]) -> tuple[int, str]:
        self.source.write_text(json.dumps({"format": 2, "models": list(models)}))
        options = ["--hub", self.hub.endpoint, "--catalog", str(self.source), "--out", str(self.out)]
        command = [sys.executable, str(TOOL), *options]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return ran.returncode, ran.stderr

    def built(self) -> list[dict[str, Any]]:
        data = self.out.read_bytes()
        Catalog.decode(data)
        models: list[dict[str, Any]] = json.loads(data)["models"]
        return models


@pytest.fixture
def workshop(hub_server: HubServer, tmp_path: Path) -> Workshop:
    return Workshop(hub_server, tmp_path)


def test_sizes_digests_and_licences_are_filled_in(workshop: Workshop) -> None:
    workshop.hub.add("acme/Tiny-GGUF", {"tiny-Q4_0.gguf": CONTENT, "tiny-Q8_0.gguf": OTHER}).licence = "mit"
    old = entry("Tiny", file("Q4_0", {"name": "tiny-Q4_0.gguf"}), description="Kept: ä", recommended="Q4_0")
    assert workshop.run(old) == (0, "")
    (new,) = workshop.built()
    expected = {"name": "tiny-Q4_0.gguf", "size_bytes": len(CONTENT), "sha256": digest(CONTENT)}
    assert new == {**old, "licence": "mit", "files": [file("Q4_0", expected)]}  # what people chose stays


def test_a_model_that_lists_no_files_gets_the_usual_ones(workshop: Workshop) -> None:
    tags = ("Q2_K", "Q4_K_M", "Q8_0", "F32", "Q5_K_M", "F16")
    workshop.hub.add("acme/Tiny-GGUF", {f"tiny-{tag}.gguf": CONTENT for tag in tags})
    assert workshop.run(entry("Tiny"))[0] == 0
    (new,) = workshop.built()
    assert [one["quantization"] for one in new["files"]] == ["Q4_K_M", "Q5_K_M", "Q8_0", "Q2_K"]
    assert all(one["parts"][0]["sha256"] for one in new["files"])


def test_a_split_model(workshop: Workshop) -> None:
    names = ["big-Q8_0-00001-of-00002.gguf", "big-Q8_0-00002-of-00002.gguf"]
    workshop.hub.add("acme/Big-GGUF", {names[0]: CONTENT, names[1]: OTHER})
    assert workshop.run(entry("Big", file("Q8_0", *({"name": name} for name in names))))[0] == 0
    (new,) = workshop.built()
    assert [part["sha256"] for part in new["files"][0]["parts"]] == [digest(CONTENT), digest(OTHER)]


def test_what_should_be_looked_at_is_reported(workshop: Workshop) -> None:
    packed = {"kind": "python-package", "requirement": "x==1", "member": "x/packed-Q8_0.gguf"}
    known = {"name": "packed-Q8_0.gguf", "size_bytes": 5, "sha256": "a" * 64}
    workshop.hub.add("acme/Packed-GGUF", {"packed-Q8_0.gguf": CONTENT})
    workshop.hub.add("acme/Changed-GGUF", {"changed-Q8_0.gguf": CONTENT})
    workshop.hub.add("acme/Less-GGUF", {"less-Q8_0.gguf": CONTENT})
    workshop.hub.add("acme/Broken-GGUF", {"broken-Q8_0.gguf": CONTENT})
    workshop.hub.override["/api/models/acme/Broken-GGUF/revision/main"] = Override(body=b"[]")
    broken = entry("Broken", file("Q8_0", {"name": "broken-Q8_0.gguf"}))
    code, told = workshop.run(
        entry("Packed", file("Q8_0", known, sources=[packed])),
        entry("Changed", file("Q8_0", {"name": "changed-Q8_0.gguf", "size_bytes": 5, "sha256": "b" * 64})),
        entry(
            "Less",
            file("Q4_0", {"name": "less-Q4_0.gguf"}),
            file("Q8_0", {"name": "less-Q8_0.gguf"}),
            recommended="Q4_0",
        ),
        broken,
        entry("Gone", file("Q8_0", {"name": "gone-Q8_0.gguf"})),
    )
    assert code == 1
    lines = told.splitlines()
    assert "Acme/Packed: packed-Q8_0.gguf has other bytes than before" in lines
    assert "Acme/Changed: changed-Q8_0.gguf has other bytes than before" in lines
    assert "Acme/Less: the hub has no less-Q4_0.gguf any more" in lines
    assert len(lines) == 5
    new_packed, changed, less, new_broken, gone = workshop.built()
    assert new_packed["files"][0]["parts"] == [known]  # the package has these bytes, whatever the hub has
    assert changed["files"][0]["parts"][0]["sha256"] == digest(CONTENT)
    assert [one["quantization"] for one in less["files"]] == ["Q8_0"]
    assert "recommended" not in less
    assert new_broken == broken
    assert gone["files"][0]["parts"] == [{"name": "gone-Q8_0.gguf"}]


def test_without_a_hub_nothing_is_lost(workshop: Workshop) -> None:
    workshop.hub.captive_portal = True
    old = entry("Tiny", file("Q4_0", {"name": "tiny-Q4_0.gguf"}))
    assert workshop.run(old)[0] == 1
    assert workshop.built() == [old]


def test_what_is_no_catalog_is_not_written(workshop: Workshop) -> None:
    workshop.source.write_text("{}")
    code, told = workshop.run({"name": "../x"})
    assert code != 0
    assert "damaged" in told
    assert not workshop.out.exists()


def test_the_built_in_catalog_can_be_rebuilt(workshop: Workshop) -> None:
    """Every file that it names, on a hub of our own with a byte or two in each."""
    built_in = json.loads((CLONE / "assets" / "catalog.json").read_bytes())
    for model in built_in["models"]:
        if "hub" in model:
            names = [part["name"] for one in model["files"] for part in one["parts"]] or ["any-Q4_K_M.gguf"]
            workshop.hub.add(model["hub"]["repository"], {name: name.encode() for name in names})
    code, told = workshop.run(*built_in["models"])
    assert (code, told) == (
        1,
        "HuggingFaceTB/SmolLM2-135M-Instruct: SmolLM2-135M-Instruct.Q4_1.gguf has other bytes than before\n",
    )
    for model in workshop.built():
        for one in model["files"]:
            assert all(part["sha256"] for part in one["parts"])
