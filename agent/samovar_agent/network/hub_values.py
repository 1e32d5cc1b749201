"""What the hub says about models, checked: it comes from outside, and names, sizes and digests decide what we do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo  # noqa: TID251 - only its type

Repository = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}\Z")]
_UNSAFE_PATH = re.compile(r"[\x00-\x1f\x7f\\]|^/|/\Z|//|(^|/)\.{1,2}(/|\Z)")
_LONGEST_PATH = 1000
_LICENCE = "license:"


class HubFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a repository. - path: with forward slashes. - sha256: None for small text files, which git keeps."""

    path: str
    size_bytes: Annotated[int, Meta(ge=0)] | None = None
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


class HubModel(msgspec.Struct, frozen=True, kw_only=True):
    """A repository.

    - repository: as the hub writes it. - commit: what `files` are of. - gated: its files need an agreement and a token.
    - updated_at: Unix seconds. - licence: the hub's short name for it. - files: empty in what a search finds.
    """

    repository: Repository
    commit: Annotated[str, Meta(pattern=r"^[0-9a-f]{40,64}\Z")] | None = None
    gated: bool = False
    downloads: Annotated[int, Meta(ge=0)] | None = None
    likes: Annotated[int, Meta(ge=0)] | None = None
    updated_at: Annotated[float, Meta(ge=0)] | None = None
    licence: Annotated[str, Meta(max_length=200)] | None = None
    tags: Annotated[list[Annotated[str, Meta(max_length=500)]], Meta(max_length=2000)] = []
    files: list[HubFile] = []


def model_of(info: ModelInfo) -> HubModel:
    """The same, checked; raises `network_failed` where it makes no sense."""
    tags = info.tags or []
    try:
        return msgspec.convert(
            {
                "repository": info.id,
                "commit": info.sha,
                "gated": bool(info.gated),
                "downloads": info.downloads,
                "likes": info.likes,
                "updated_at": info.last_modified.timestamp() if info.last_modified else None,
                "licence": next((tag.removeprefix(_LICENCE) for tag in tags if tag.startswith(_LICENCE)), None),
                "tags": tags,
                "files": [_file(sibling) for sibling in info.siblings or () if _is_safe(sibling.rfilename)],
            },
            HubModel,
        )
    except (msgspec.ValidationError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise nonsense(f"{str(info.id)[:200]!r}: {error}") from error


def nonsense(reason: str) -> SamovarError:
    """The failure for an answer that cannot be true."""
    return SamovarError(
        FailureCode.NETWORK_FAILED,
        f"The hub's answer makes no sense ({reason[:300]}).",
        hint="Check `samovar config get network.hub`: perhaps something that is no model hub answers there.",
    )


def _file(sibling: Any) -> dict[str, Any]:
    lfs = sibling.lfs
    if lfs is not None and lfs.sha256 is None:
        raise ValueError(f"{sibling.rfilename} is a large file without a digest")
    return {
        "path": sibling.rfilename,
        "size_bytes": sibling.size if lfs is None else lfs.size,
        "sha256": None if lfs is None else lfs.sha256,
    }


def _is_safe(path: object) -> bool:
    """Files with names that no model needs are left out; the rest of the repository is as good as any."""
    return isinstance(path, str) and 0 < len(path) <= _LONGEST_PATH and not _UNSAFE_PATH.search(path)
