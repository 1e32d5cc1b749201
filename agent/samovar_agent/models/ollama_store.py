"""Ollama's store: `manifests/<host>/<namespace>/<model>/<tag>` name the files `blobs/sha256-<hex>` by digest.

A manifest is a stranger's text: a digest becomes a path only after its form was checked.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path

import msgspec

from samovar_agent.models.files import FolderTree
from samovar_agent.models.found import Found
from samovar_agent.models.gguf_reader import shown
from samovar_agent.paths import safe_path
from samovar_protocol import SamovarError
from samovar_protocol.values import Origin

log = logging.getLogger("samovar.models")

MAX_MANIFEST_BYTES = 1024 * 1024
_HOST = "registry.ollama.ai"
_NAMESPACE = "library"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_MODEL = "application/vnd.ollama.image.model"
_PROJECTOR = "application/vnd.ollama.image.projector"
_ADAPTER = "application/vnd.ollama.image.adapter"

_Stamp = tuple[int, int, int]


class _Layer(msgspec.Struct):
    kind: str = msgspec.field(name="mediaType", default="")
    digest: str = ""


class _Manifest(msgspec.Struct):
    layers: list[_Layer] = []


class OllamaStore:
    """The models of one store. Templates, parameters and licences of its manifests are not used.

    - root: the folder that holds `manifests` and `blobs`.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.origin: Origin = "ollama"
        self.leaves = False
        self._tree = FolderTree(("",))
        self._read: dict[str, tuple[_Stamp, Found | None]] = {}
        self._found: list[Found] = []

    def find(self) -> list[Found]:
        """See `Source`."""
        below = self._tree.below(f"{self.root}/manifests")
        self.leaves = below.leaves
        read = {path: self._manifest(path) for path in below.files}
        if read != self._read:
            self._read = read
            self._found = [found for _, found in read.values() if found]
        return self._found

    def forget(self) -> None:
        """See `Source`."""
        self._tree.forget()

    def _manifest(self, path: str) -> tuple[_Stamp, Found | None]:
        try:
            status = os.stat(path)  # noqa: PTH116 - asked at every look
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if (kept := self._read.get(path)) and kept[0] == stamp:
                return kept
            if status.st_size > MAX_MANIFEST_BYTES or not stat.S_ISREG(status.st_mode):
                return stamp, None
            data = Path(path).read_bytes()
        except OSError:
            return (0, 0, 0), None
        try:
            return stamp, self._model(path, data)
        except (SamovarError, msgspec.MsgspecError, RecursionError, ValueError) as error:
            log.warning("a manifest of Ollama is not used", extra={"file": shown(path), "problem": str(error)})
            return stamp, None

    def _model(self, path: str, data: bytes) -> Found | None:
        names = shown(path)[len(shown(self.root)) :].replace("\\", "/").strip("/").split("/")[1:]
        if len(names) != 4:
            return None
        layers = msgspec.json.decode(data, type=_Manifest).layers
        kinds = [layer.kind for layer in layers]
        # An adapter makes another model of it than the file alone; several files are not GGUF.
        if kinds.count(_MODEL) != 1 or _ADAPTER in kinds:
            return None
        digest = self._digest(layers[kinds.index(_MODEL)])
        projector = self._digest(layers[kinds.index(_PROJECTOR)]) if kinds.count(_PROJECTOR) == 1 else None
        host, namespace, model, tag = names
        name = f"{model}:{tag}"
        publisher = "ollama" if (host, namespace) == (_HOST, _NAMESPACE) else namespace
        whole = name if publisher == "ollama" else f"{namespace}/{name}"
        aliases = [f"{host}/{namespace}/{name}"] if host != _HOST else []
        if tag == "latest":
            aliases += [alias.removesuffix(":latest") for alias in (whole, *aliases)]
        return Found(
            self._blob(digest),
            publisher,
            name,
            "ollama",
            path,
            aliases=tuple(aliases),
            sha256=digest,
            projector=self._blob(projector) if projector else None,
            file_name="",
        )

    def _digest(self, layer: _Layer) -> str:
        found = _DIGEST.fullmatch(layer.digest)
        if not found:
            raise ValueError("a digest of the wrong form")
        return found[1]

    def _blob(self, digest: str) -> str:
        return str(safe_path(Path(self.root, "blobs"), f"sha256-{digest}"))
