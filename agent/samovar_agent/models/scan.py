"""One look at the disk: every model that is there or should be, with its key and state. Blocks; called in a thread."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from samovar_agent.models.files import PARTIAL, HeaderCache, model_files, stem_and_tag
from samovar_agent.models.gguf import GgufHeader
from samovar_agent.models.gguf_reader import printable, shown
from samovar_agent.store.models import ModelRow
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ModelInfo

log = logging.getLogger("samovar.models")

Origin = Literal["library", "folder", "link"]
OWN_PUBLISHER = "local"
"""Publisher of files that name none."""
_COMPANIONS = frozenset({"adapter", "clip", "imatrix", "mmproj"})
"""Kinds and architectures of files that only go with a model."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that can be loaded: what it is, and what its file says. - info.path: what the engine opens."""

    info: ModelInfo
    header: GgufHeader


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in the library. - tag: tells it from others in its folder. - row: what the store knows of it.

    - companion: a sound file that is no model by itself, e.g. a vision projector; not listed.
    """

    info: ModelInfo
    path: Path
    tag: str
    origin: Origin
    row: ModelRow | None
    companion: bool = False

    def with_key(self, key: str, tag: str) -> Entry:
        """This entry under its key."""
        return dataclasses.replace(self, info=replace(self.info, key=key), tag=tag)

    def looked_at(self, cache: HeaderCache) -> Entry:
        """This entry as its file is now."""
        info = self.info
        now = look(self.path, info.publisher, info.name, self.origin, self.row, cache)
        return now.with_key(info.key, self.tag)


def scan(own: Path, folders: Iterable[Path], rows: Sequence[ModelRow], cache: HeaderCache) -> list[Entry]:
    """Every model sorted by key: below our folder, below read-only folders, and what the store remembers.

    A file that is found twice counts once; the first of our own folder, links, other folders names it.
    """
    by_path = {row.path: row for row in rows}
    found: dict[str, Entry] = {}

    def add(path: Path, publisher: str, name: str, origin: Origin, row: ModelRow | None) -> None:
        real = os.path.realpath(path)
        if real not in found:
            found[real] = look(path, publisher, name, origin, row, cache)

    for path in sorted([*model_files(own), *_partials(own)]):
        add(path, *_place_name(path, own), "library", by_path.get(shown(path)))
    for row in rows:
        origin: Origin = "link" if row.origin == "link" else "library"
        add(Path(row.path), row.publisher, row.name, origin, row)
    for folder in folders:
        for path in sorted(model_files(folder)):
            add(path, *_place_name(path, folder), "folder", None)
    models = [entry for entry in found.values() if not entry.companion]
    return sorted(_with_keys(models), key=lambda entry: entry.info.key)


def wanted_name(name: str | None, header: GgufHeader, path: Path) -> tuple[str, str]:
    """(publisher, name) for an import: as asked for, else from the header and the file's name.

    Raises `bad_request` for a name that is not `publisher/name`; what may be in each is `safe_path`'s to say.
    """
    publisher = _slug(header.organization or "") or OWN_PUBLISHER
    if name is None:
        return publisher, _slug(stem_and_tag(path.name)[0]) or "model"
    first, slash, second = name.partition("/")
    asked = (first, second) if slash else (publisher, first)
    if "@" in name or "/" in second or not all(asked):
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"'{printable(name)}' is no name for a model.",
            hint="Use `publisher/name`; the quantization is read from the file.",
        )
    return asked


def _partials(own: Path) -> Iterable[Path]:
    """Transfers that did not end, unless the whole file is there too."""
    for path in model_files(own, f".gguf{PARTIAL}"):
        if not path.with_suffix("").exists():
            yield path


def _place_name(path: Path, root: Path) -> tuple[str, str]:
    """(publisher, name) from where a file lies: `<publisher>/<name>/<file>`, or what there is of it."""
    folders = shown(path.parent.relative_to(root)).replace("\\", "/").split("/")
    folders = [folder for folder in folders if folder != "."]
    if len(folders) >= 2:
        return folders[-2], folders[-1]
    stem = stem_and_tag(shown(path.name))[0]
    return (folders[0], stem) if folders else (OWN_PUBLISHER, stem)


def is_model(header: GgufHeader) -> bool:
    """Whether a file is a model by itself, not something that goes with one."""
    return header.kind not in _COMPANIONS and header.architecture not in _COMPANIONS


def look(path: Path, publisher: str, name: str, origin: Origin, row: ModelRow | None, cache: HeaderCache) -> Entry:
    """What there is to say about one file, which may be gone; its key is not known yet."""
    stem, tag = stem_and_tag(shown(path.name))
    info = ModelInfo(
        key="",
        name=name,
        publisher=publisher,
        path=shown(path),
        size_bytes=row.size_bytes if row else 0,
        quantization=tag,
        added_at=row.added_at if row else 0,
    )
    with contextlib.suppress(OSError):
        status = path.stat()
        info = replace(info, size_bytes=status.st_size, added_at=info.added_at or status.st_mtime)
    if path.name.endswith(PARTIAL):
        info = replace(info, state="partial", problem="The transfer did not end.")
        return Entry(info, path, tag or stem, origin, row)
    try:
        header = cache.read(path)
    except SamovarError as error:
        info = replace(info, state=_state(path, error), problem=error.failure.message)
        return Entry(info, path, tag or stem, origin, row)
    info = replace(
        info,
        size_bytes=header.file_bytes,
        architecture=header.architecture,
        parameters=header.parameters,
        quantization=header.quantization or tag,
        context_length=header.context_length,
        capabilities=header.capabilities,
    )
    return Entry(info, path, tag or header.quantization or stem, origin, row, companion=not is_model(header))


def _state(path: Path, error: SamovarError) -> Literal["missing", "partial", "broken"]:
    if error.code != FailureCode.MODEL_FILE_MISSING:
        return "broken"
    return "partial" if path.exists() else "missing"  # partial: the other parts of the model are not there


def _with_keys(entries: list[Entry]) -> Iterator[Entry]:
    """Give each its key: `publisher/name`, and the tag where several whole models have that name."""
    groups: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in sorted(entries, key=lambda entry: entry.info.state != "ready"):
        group = groups[f"{entry.info.publisher}/{entry.info.name}"]
        # One file in two folders: the first is used, and a sound one before one that is not.
        if group.setdefault(entry.path.name, entry) is not entry:
            log.info("a model lies in two places", extra={"used": group[entry.path.name].info.path})
    for name, group in groups.items():
        tags = Counter(entry.tag for entry in group.values())
        # One that is still on its way must not change the key of one that is here.
        whole = [entry for entry in group.values() if entry.info.state != "partial"] or list(group.values())
        for file_name, entry in group.items():
            tag = entry.tag if tags[entry.tag] == 1 else shown(file_name).removesuffix(PARTIAL).removesuffix(".gguf")
            yield entry.with_key(name if whole == [entry] else f"{name}@{tag}", tag)


def _slug(text: str) -> str:
    """Text as a portable file name, as far as it goes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:100].strip("-. ")
