"""Writes models into the stores of other programs, as those programs do.

lmstudio(home, "Acme/Tiny/Tiny-F16.gguf")
ollama(home, "qwen3", "4b")
hub(home, "Acme/Tiny-GGUF", "Tiny-F16.gguf")
llama_cpp(home, "Acme", "Tiny-GGUF", "Tiny-F16.gguf")
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import llama, write_gguf


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lmstudio(home: Home, relative: str, **facts: object) -> Path:
    return write_gguf(home.others.lmstudio[0] / "models" / relative, llama(**facts))


def ollama(home: Home, model: str, tag: str, *, projector: bool = False, **facts: object) -> Path:
    root = home.others.ollama[0]
    layers = [("model", _blob(root, llama(**facts)))]
    if projector:
        layers.append(("projector", _blob(root, projector_facts())))
    manifest = root / "manifests/registry.ollama.ai/library" / model / tag
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(
        json.dumps(
            {
                "layers": [
                    {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{blob.name[7:]}"}
                    for kind, blob in layers
                ]
            }
        )
    )
    return layers[0][1]


def hub(home: Home, repository: str, file: str, **facts: object) -> Path:
    folder = home.others.huggingface[0] / f"models--{repository.replace('/', '--')}"
    fresh = write_gguf(folder / "blobs/new", llama(**facts))
    blob = fresh.rename(folder / "blobs" / sha256(fresh))
    path = folder / "snapshots" / ("a" * 40) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(blob, path.parent))
    return path


def llama_cpp(home: Home, owner: str, repository: str, file: str, **facts: object) -> Path:
    root = home.others.llama_cpp[0]
    path = write_gguf(root / f"{owner}_{repository}_{file}", llama(**facts))
    (root / f"manifest={owner}={repository}=latest.json").write_text("{}")
    return path


def projector_facts(**changes: object) -> dict[str, object]:
    facts: dict[str, object] = {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "clip.has_vision_encoder": True,
    }
    return facts | changes


def _blob(root: Path, facts: dict[str, object]) -> Path:
    fresh = write_gguf(root / "new", facts)
    (root / "blobs").mkdir(exist_ok=True)
    return fresh.rename(root / "blobs" / f"sha256-{sha256(fresh)}")
