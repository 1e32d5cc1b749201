"""A model in the library: what its file says, what the store knows, and what becomes of both for people."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from samovar_agent.models.files import PARTIAL, part_names, stem_and_tag
from samovar_agent.models.found import Found
from samovar_agent.models.gguf import GgufHeader
from samovar_agent.models.gguf_reader import shown
from samovar_agent.models.headers import HeaderCache, Stamps, stamps
from samovar_agent.store.digests import DigestRow
from samovar_agent.store.models import ModelRow
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ModelInfo, Origin

_COMPANIONS = frozenset({"adapter", "clip", "imatrix", "mmproj"})
"""Kinds and architectures of files that only go with a model."""

_State = Literal["ready", "missing", "broken", "partial"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that can be loaded: what it is, and what its file says. - info.path: what the engine opens."""

    info: ModelInfo
    header: GgufHeader


@dataclass(frozen=True, slots=True)
class Look:
    """One file as it was when somebody looked, all parts of the model together.

    - stamps: of each part, None where it is not there. - again: what was wrong may go away without the file changing.
    """

    files: tuple[str, ...]
    stamps: Stamps
    size_bytes: int
    changed_at: float
    header: GgufHeader | None = None
    state: _State = "ready"
    problem: str | None = None
    again: bool = False

    @property
    def identity(self) -> object:
        """The same for one file under several names."""
        first = self.stamps[0]
        if first is None:
            return self.files[0]
        # Some file systems do not number their files.
        return first[:2] if first[1] else os.path.realpath(self.files[0])

    @property
    def companion(self) -> bool:
        """Whether this is no model by itself but goes with one, e.g. a vision projector."""
        if self.header is None:
            return os.path.basename(self.files[0]).lower().startswith("mmproj")  # noqa: PTH119 - as text
        return not is_model(self.header)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in the library. - tag: tells it from others of its name. - row: what the store knows of it.

    - expected: the digest of its first file, where anybody said or measured it.
    """

    info: ModelInfo
    tag: str
    found: Found
    look: Look
    row: ModelRow | None
    expected: str | None

    @property
    def path(self) -> Path:
        """The file, or the first part."""
        return Path(self.found.path)

    @property
    def file_name(self) -> str:
        """The name of that file."""
        return os.path.basename(self.found.path)  # noqa: PTH119 - Path takes ten times as long

    @property
    def origin(self) -> Origin:
        """Whose the file is."""
        return self.found.origin

    def with_key(self, key: str, tag: str) -> Entry:
        """This entry under its key."""
        return Entry(replace(self.info, key=key), tag, self.found, self.look, self.row, self.expected)

    def moved_to(self, places: Sequence[Entry]) -> Entry:
        """This entry, whose file is missing, saying where one like it was found."""
        if not places:
            return self
        problem = f"{self.info.problem} A file of this name and size lies at {places[0].info.path}."
        return dataclasses.replace(self, info=replace(self.info, problem=problem))

    def looked_at(self, cache: HeaderCache) -> Entry:
        """This entry as its file is now."""
        if not self.look.again and self.look.stamps == stamps(self.look.files):
            return self
        look = look_at(self.found.path, cache)
        if look == self.look:
            return self
        info = self.info
        now = described(self.found, look, self.row, None, None, None)
        kept = replace(now.info, projector=info.projector, sha256=info.sha256)
        if info.projector and now.info.state == "ready":
            kept = replace(kept, capabilities=[*dict.fromkeys([*kept.capabilities, *info.capabilities])])
        return dataclasses.replace(now, info=kept, expected=self.expected).with_key(info.key, self.tag)


def is_model(header: GgufHeader) -> bool:
    """Whether a file is a model by itself, not something that goes with one."""
    return header.kind not in _COMPANIONS and header.architecture not in _COMPANIONS


def look_at(path: str, cache: HeaderCache) -> Look:
    """What there is to say about one file, which may be gone."""
    files = part_names(path)
    now = stamps(files)
    there = [stamp for stamp in now if stamp is not None]
    size, changed_at = sum(stamp[2] for stamp in there), there[0][3] / 1e9 if there else 0.0
    if path.lower().endswith(PARTIAL):
        return Look(files, now, size, changed_at, None, "partial", "The transfer did not end.")
    try:
        return Look(files, now, size, changed_at, cache.of(files, now))
    except SamovarError as error:
        again = isinstance(error.__cause__, OSError) and None not in now
        return Look(files, now, size, changed_at, None, _state(now, error), error.failure.message, again)


def described(
    found: Found,
    look: Look,
    row: ModelRow | None,
    digest: DigestRow | None,
    projector: str | None,
    projector_look: Look | None,
) -> Entry:
    """The entry of a file, with everything that is known of it; its key is not known yet."""
    stem, tag = stem_and_tag(found.shown_name)
    header = look.header
    expected = _expected(found, look, row, digest)
    size = look.size_bytes or (row.size_bytes if row else 0)
    capabilities = header.capabilities if header else []
    if projector_look and projector_look.header and "chat" in capabilities:
        capabilities = [*dict.fromkeys([*capabilities, *projector_look.header.modalities])]
    info = ModelInfo(
        key="",
        name=found.name,
        publisher=found.publisher,
        path=shown(found.path),
        size_bytes=size,
        state=look.state,
        problem=look.problem,
        architecture=header.architecture if header else None,
        parameters=header.parameters if header else None,
        quantization=(header.quantization if header else None) or tag,
        context_length=header.context_length if header else None,
        capabilities=capabilities,
        added_at=row.added_at if row else look.changed_at,
        origin=found.origin,
        parts=len(look.files),
        projector=shown(projector) if projector else None,
        sha256=expected if len(look.files) == 1 else None,
    )
    own_tag = tag or (header.quantization if header else None) or stem or "broken"
    return Entry(info, own_tag, found, look, row, expected)


def _expected(found: Found, look: Look, row: ModelRow | None, digest: DigestRow | None) -> str | None:
    if row and row.sha256:
        return row.sha256
    if found.sha256:
        return found.sha256
    # A recorded digest belongs to a file of that size; another size is another file.
    first = look.stamps[0]
    return digest.sha256 if digest and first and digest.size_bytes == first[2] else None


def _state(stamps: Stamps, error: SamovarError) -> _State:
    if error.code == FailureCode.MODEL_FILE_MISSING:
        return "missing" if stamps[0] is None else "partial"  # partial: other parts of the model are not there
    # The header is whole and tells of more than there is: most likely still being copied.
    return "partial" if "need_bytes" in error.failure.details else "broken"
