"""A repository of the hub, and the JSON that the hub says about it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.hub_server.files import File

POINTER_SIZE = 135
"""Bytes of the text file that stands for an LFS file in git."""


@dataclass
class Repository:
    """`name` is `user/repo`; `gated` and the rest as the hub's API has them."""

    name: str
    files: dict[str, File]
    gated: Literal["auto", "manual", False] = False
    private: bool = False
    downloads: int = 0
    likes: int = 0
    tags: list[str] = field(default_factory=list)
    licence: str | None = None
    updated_at: str = "2026-01-02T03:04:05.000Z"
    access: set[str] = field(default_factory=set)

    @property
    def commit(self) -> str:
        """Changes with the names and the digests of the files."""
        told = "".join(f"{path}:{file.sha256}" for path, file in sorted(self.files.items()))
        return hashlib.sha1(told.encode()).hexdigest()

    def file(self, path: str) -> File:
        """The file at `path`, to be looked at or spoiled."""
        return self.files[path]

    def add(self, path: str, content: bytes) -> File:
        """One more file."""
        return self.files.setdefault(path, File(path, content))

    def summary(self, expand: Collection[str] = ()) -> dict[str, Any]:
        """As in a search. - expand: only these fields, and the names."""
        whole = {
            "_id": hashlib.sha1(self.name.encode()).hexdigest()[:24],
            "id": self.name,
            "modelId": self.name,
            "author": self.name.partition("/")[0],
            "sha": self.commit,
            "lastModified": self.updated_at,
            "createdAt": self.updated_at,
            "private": self.private,
            "gated": self.gated,
            "disabled": False,
            "downloads": self.downloads,
            "likes": self.likes,
            "tags": self.all_tags(),
            "pipeline_tag": "text-generation",
            "library_name": "gguf",
            "trendingScore": 0,
            "siblings": [{"rfilename": path} for path in sorted(self.files)],
        }
        return {name: value for name, value in whole.items() if not expand or name in {"_id", "id", "modelId", *expand}}

    def all_tags(self) -> list[str]:
        """Its tags, and those that the hub makes itself."""
        made = ["gguf"] if any(path.endswith(".gguf") for path in self.files) else []
        if self.licence:
            made.append(f"license:{self.licence}")
        return [*made, *self.tags]

    def details(self, *, blobs: bool) -> dict[str, Any]:
        """As of one model."""
        card: dict[str, Any] = {"license": self.licence} if self.licence else {}
        answer = self.summary() | {"cardData": card, "usedStorage": sum(file.size for file in self.files.values())}
        if blobs:
            answer["siblings"] = [self._sibling(file) for _, file in sorted(self.files.items())]
        return answer

    def tree(self, folder: str, *, recursive: bool) -> list[dict[str, Any]] | None:
        """The files in a folder; None where there is no such folder."""
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for path, file in sorted(self.files.items()):
            if not path.startswith(prefix):
                continue
            head, slash, _ = path.removeprefix(prefix).partition("/")
            if slash:
                oid = hashlib.sha1(head.encode()).hexdigest()
                entries.setdefault(prefix + head, {"type": "directory", "oid": oid, "size": 0, "path": prefix + head})
            if recursive or not slash:
                entries[path] = self._entry(file)
        return list(entries.values()) if entries or not folder else None

    @staticmethod
    def _blob(file: File) -> str:
        return hashlib.sha1(file.sha256.encode()).hexdigest()

    def _sibling(self, file: File) -> dict[str, Any]:
        told: dict[str, Any] = {"rfilename": file.path, "size": file.said_size, "blobId": self._blob(file)}
        if file.is_lfs:
            told["lfs"] = {"sha256": file.said_sha256, "size": file.said_size, "pointerSize": POINTER_SIZE}
        return told

    def _entry(self, file: File) -> dict[str, Any]:
        told: dict[str, Any] = {"type": "file", "oid": self._blob(file), "size": file.said_size, "path": file.path}
        if file.is_lfs:
            told["lfs"] = {"oid": file.said_sha256, "size": file.said_size, "pointerSize": POINTER_SIZE}
        return told
