import hashlib
import json
from pathlib import Path

import pytest

from samovar_agent.models.found import Found
from samovar_agent.models.ollama_store import MAX_MANIFEST_BYTES, OllamaStore
from tests.samovar_agent.models.gguf_files import write_gguf

LIBRARY = "registry.ollama.ai/library"


class Ollama:
    """A store as Ollama writes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = OllamaStore(str(root))

    def blob(self, **facts: object) -> str:
        path = write_gguf(self.root / "new", facts or None)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        (self.root / "blobs").mkdir(exist_ok=True)
        path.rename(self.root / "blobs" / f"sha256-{digest}")
        return f"sha256:{digest}"

    def manifest(self, place: str, *layers: tuple[str, str]) -> Path:
        path = self.root / "manifests" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        named = [
            {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": 1}
            for kind, digest in layers
        ]
        path.write_text(json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:00"}, "layers": named}))
        return path

    def find(self) -> list[Found]:
        return self.store.find()


@pytest.fixture
def ollama(tmp_path: Path) -> Ollama:
    return Ollama(tmp_path)


@pytest.mark.parametrize(
    ("place", "publisher", "name", "aliases"),
    [
        (f"{LIBRARY}/qwen3/4b", "ollama", "qwen3:4b", ()),
        (f"{LIBRARY}/llama3.2/latest", "ollama", "llama3.2:latest", ("llama3.2",)),
        ("registry.ollama.ai/mannix/llava/7b", "mannix", "llava:7b", ()),
        (
            "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF/Q4_K_M",
            "bartowski",
            "Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
            ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",),
        ),
        (
            "hf.co/me/x/latest",
            "me",
            "x:latest",
            ("hf.co/me/x:latest", "me/x", "hf.co/me/x"),
        ),
    ],
)
def test_names(ollama: Ollama, place: str, publisher: str, name: str, aliases: tuple[str, ...]) -> None:
    digest = ollama.blob()
    ollama.manifest(place, ("model", digest), ("template", "sha256:ff"), ("params", "../x"), ("license", ""))
    (found,) = ollama.find()
    assert (found.publisher, found.name, found.aliases, found.origin) == (publisher, name, aliases, "ollama")
    assert found.path == str(ollama.root / "blobs" / digest.replace(":", "-"))
    assert found.sha256 == digest.removeprefix("sha256:")
    assert found.projector is None


def test_a_projector(ollama: Ollama) -> None:
    model, projector = ollama.blob(), ollama.blob(**{"general.architecture": "clip"})
    ollama.manifest(f"{LIBRARY}/llava/7b", ("model", model), ("projector", projector))
    (found,) = ollama.find()
    assert found.projector == str(ollama.root / "blobs" / projector.replace(":", "-"))


HEX = "ab" * 32


@pytest.mark.parametrize(
    "digest",
    [
        "",
        HEX,
        f"sha512:{HEX}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX[:-1]}\n",
        f"sha256:{HEX}\n",
        f"sha256:{HEX[:-1]}\0",
        "sha256:../../../../etc/passwd",
        f"sha256:../{HEX[:-3]}",
        f"sha256:..\\{HEX[:-3]}",
        "sha256:/etc/passwd",
        "sha256:\\\\server\\share\\x",
        "sha256:C:\\Windows",
        f"sha256:{'١' * 64}",
        f"sha256:{'ａ' * 64}",
    ],
)
@pytest.mark.parametrize("kind", ["model", "projector"])
def test_a_digest_of_another_form_is_never_a_path(ollama: Ollama, digest: str, kind: str) -> None:
    layers = {"model": ollama.blob(), "projector": ollama.blob()} | {kind: digest}
    ollama.manifest(f"{LIBRARY}/evil/latest", *layers.items())
    good = ollama.blob()
    ollama.manifest(f"{LIBRARY}/good/latest", ("model", good))
    assert [found.name for found in ollama.find()] == ["good:latest"]


def test_a_blob_that_leads_out_of_the_store_is_refused(ollama: Ollama, tmp_path: Path) -> None:
    (ollama.root / "blobs").mkdir(parents=True)
    outside = write_gguf(tmp_path.parent / f"{tmp_path.name}-outside.gguf")
    (ollama.root / "blobs" / f"sha256-{HEX}").symlink_to(outside)
    ollama.manifest(f"{LIBRARY}/evil/latest", ("model", f"sha256:{HEX}"))
    assert ollama.find() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "[" * 10_000,
        '{"layers": 1}',
        '{"layers": [1]}',
        '{"layers": [{"mediaType": 1}]}',
        '{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": 5}]}',
        '{"a": ' * 5000,
    ],
)
def test_manifests_that_are_none(ollama: Ollama, text: str) -> None:
    path = ollama.manifest(f"{LIBRARY}/evil/latest")
    path.write_text(text)
    ollama.manifest(f"{LIBRARY}/good/latest", ("model", ollama.blob()))
    assert [found.name for found in ollama.find()] == ["good:latest"]


def test_a_manifest_that_is_too_large_is_not_read(ollama: Ollama) -> None:
    path = ollama.manifest(f"{LIBRARY}/evil/latest", ("model", ollama.blob()))
    path.write_text(path.read_text() + " " * MAX_MANIFEST_BYTES)
    assert ollama.find() == []


def test_what_is_not_one_gguf_file_is_left_out(ollama: Ollama) -> None:
    model = ollama.blob()
    ollama.manifest(f"{LIBRARY}/adapted/latest", ("model", model), ("adapter", model))
    ollama.manifest(f"{LIBRARY}/several/latest", ("model", model), ("model", model))
    ollama.manifest(f"{LIBRARY}/tensors/latest", ("image.tensor", model))
    ollama.manifest(f"{LIBRARY}/too/deep/latest", ("model", model))
    ollama.manifest("too/short/latest", ("model", model))
    assert ollama.find() == []


def test_changes_are_noticed(ollama: Ollama) -> None:
    first, second = ollama.blob(), ollama.blob(**{"general.architecture": "other"})
    path = ollama.manifest(f"{LIBRARY}/qwen3/4b", ("model", first))
    before = ollama.find()
    assert ollama.find() is before  # nothing changed
    path.write_text(path.read_text().replace(first, second))
    assert [found.sha256 for found in ollama.find()] == [second.removeprefix("sha256:")]
    path.unlink()
    assert ollama.find() == []


def test_no_store(tmp_path: Path) -> None:
    assert OllamaStore(str(tmp_path / "none")).find() == []
