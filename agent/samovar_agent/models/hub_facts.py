"""What the hub says of a repository: its GGUF files, put together to what a model can be downloaded as.

    facts = facts_of(await hub.model("bartowski/phi-4-GGUF", requester="get", asked=True))
    best(files_of(facts)).quantization          # "Q4_K_M"

A hub can say anything. File names that could not be used, sizes and digests of a wrong form are left out here, so that
nothing behind this has to expect them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from samovar_agent.models.catalog import CatalogFile
from samovar_agent.models.files import parts, stem_and_tag
from samovar_agent.models.gguf_reader import printable
from samovar_agent.models.hub_names import check_file, check_repository
from samovar_agent.models.sources import SHA256, HubSource, Part
from samovar_agent.network.hub import HubModel
from samovar_protocol import SamovarError

log = logging.getLogger("samovar.models")

MAX_FILES = 5000
_LATER_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf")
_COMPANION = re.compile(r"mmproj|imatrix|(?:^|/)mtp-", re.IGNORECASE)
"""Files that only go with a model: vision projectors, statistics for quantizing, heads for drafting."""
_LONGEST_TEXT = 200
_USUAL = (
    *("Q4_K_M", "Q4_K_XL", "Q4_K_L", "Q4_K_S", "Q5_K_M", "Q5_K_XL", "Q5_K_S", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS"),
    *("MXFP4", "MXFP4_MOE", "Q5_1", "Q5_0", "Q6_K", "Q6_K_XL", "Q6_K_L", "Q3_K_L", "Q3_K_XL", "Q8_0", "Q8_K_XL"),
    *("Q3_K_M", "IQ3_M", "Q3_K_S", "IQ3_S", "IQ3_XS", "IQ3_XXS", "Q2_K_L", "Q2_K_XL", "Q2_K", "BF16", "F16", "FP16"),
)
"""Quantizations, the one that suits most people first, then by how near they come to it in size and quality."""


class KnownFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a repository. - size_bytes, sha256: None where the hub says none, or nothing sound."""

    path: str
    size_bytes: int | None = None
    sha256: str | None = None


class HubFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as the hub described it, checked. - commit: that this is true of. - files: GGUF files only."""

    repository: str
    revision: str = "main"
    commit: str | None = None
    gated: bool = False
    downloads: int | None = None
    likes: int | None = None
    updated_at: float | None = None
    licence: str | None = None
    files: list[KnownFile] = []


def facts_of(model: HubModel, revision: str = "main") -> HubFacts:
    """What is to be kept of the hub's answer; raises `path_refused` for a repository that cannot be one."""
    files = [found for file in model.files[:MAX_FILES] if (found := _known(file.path, file.size_bytes, file.sha256))]
    commit = model.commit if model.commit and re.fullmatch(r"[0-9a-f]{7,64}", model.commit) else None
    return HubFacts(
        repository=check_repository(model.repository),
        revision=revision,
        commit=commit,
        gated=bool(model.gated),
        downloads=_count(model.downloads),
        likes=_count(model.likes),
        updated_at=model.updated_at,
        licence=printable(model.licence[:_LONGEST_TEXT]) if model.licence else None,
        files=files,
    )


def files_of(facts: HubFacts, folder: str = "") -> list[CatalogFile]:
    """What the model can be downloaded as: parts grouped, companions left out, small ones first.

    - folder: only what is in it, or below. Each has a quantization of its own.
    """
    known = {file.path: file for file in facts.files}
    prefix = f"{folder}/" if folder else ""
    found: list[CatalogFile] = []
    taken: set[str] = set()
    for path in sorted(known, key=lambda path: (path.count("/"), path)):
        if not path.startswith(prefix) or _COMPANION.search(path):
            continue
        names = [part.as_posix() for part in parts(Path(path))]
        if len(names) == 1 and _LATER_PART.search(path):
            continue  # belongs to its first part
        if not all(name in known for name in names):
            continue  # nobody could load what is not all there
        quantization = _name_for(path, taken)
        if quantization is None:
            continue
        taken.add(quantization.casefold())
        found.append(
            CatalogFile(
                quantization=quantization,
                parts=[_part(known[name]) for name in names],
                sources=[HubSource(repository=facts.repository, folder=_folder(path), revision=_revision(facts))],
            )
        )
    return sorted(found, key=lambda file: (file.size_bytes is None, file.size_bytes or 0, file.quantization))


def best(files: Sequence[CatalogFile]) -> CatalogFile | None:
    """The file to take where no quantization is named: Q4_K_M, or what comes nearest to it."""
    return min(files, key=lambda file: usualness(file.quantization), default=None)


def usualness(quantization: str) -> tuple[int, bool]:
    """Smaller for what suits more people; the plain one before the variant of the same kind."""
    plain = quantization.upper().removeprefix("UD-")
    return (_USUAL.index(plain) if plain in _USUAL else len(_USUAL), plain != quantization.upper())


def _known(path: str, size_bytes: int | None, sha256: str | None) -> KnownFile | None:
    if not path.endswith(".gguf"):
        return None
    try:
        check_file(path)
    except SamovarError as error:
        log.warning("a file of a repository is left out", extra={"problem": error.failure.message})
        return None
    sound = sha256 is not None and SHA256.fullmatch(sha256)
    return KnownFile(path=path, size_bytes=_count(size_bytes) or None, sha256=sha256 if sound else None)


def _name_for(path: str, taken: set[str]) -> str | None:
    """What tells a file from the others: its quantization, or, where another has that, its name."""
    name = PurePosixPath(path).name
    stem, tag = stem_and_tag(name)
    whole = path.removesuffix(".gguf").replace("/", "-")
    for choice in (tag.upper() if tag else stem, whole):
        if choice.casefold() not in taken and not re.search(r"[@/\\\s]", choice) and len(choice) <= _LONGEST_TEXT:
            return choice
    return None


def _part(file: KnownFile) -> Part:
    return Part(name=PurePosixPath(file.path).name, size_bytes=file.size_bytes, sha256=file.sha256)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _revision(facts: HubFacts) -> str:
    """The commit, so that a repository which is updated meanwhile still gives the bytes of this digest."""
    return facts.commit or facts.revision


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**53 else None
