"""The names that models get: `publisher/name`, with a tag where several have that name."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from samovar_agent.models.entry import Entry
from samovar_agent.models.files import PARTIAL, stem_and_tag
from samovar_agent.models.found import OWN_PUBLISHER
from samovar_agent.models.gguf import GgufHeader
from samovar_agent.models.gguf_reader import printable, shown
from samovar_protocol import FailureCode, SamovarError

log = logging.getLogger("samovar.models")


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


def with_keys(entries: list[Entry]) -> Iterator[Entry]:
    """Give each its key: `publisher/name`, and the tag where several whole models have that name."""
    groups: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in sorted(entries, key=lambda entry: entry.info.state != "ready"):
        group = groups[f"{entry.info.publisher}/{entry.info.name}"]
        # One file in two folders: the first is used, and a sound one before one that is not.
        if group.setdefault(entry.file_name, entry) is not entry:
            log.debug("a model lies in two places", extra={"used": group[entry.file_name].info.path})
    taken: set[str] = set()
    for name, group in groups.items():
        tags = Counter(entry.tag for entry in group.values())
        # One that is still on its way must not change the key of one that is here.
        whole = [entry for entry in group.values() if entry.info.state != "partial"] or list(group.values())
        for file_name, entry in group.items():
            tag = entry.tag if tags[entry.tag] == 1 else shown(file_name).removesuffix(PARTIAL).removesuffix(".gguf")
            key = name if whole == [entry] else f"{name}@{tag}"
            if key in taken:  # another one's file is called as this one's quantization
                tag = shown(file_name)
                key = f"{name}@{tag}"
            taken.add(key)
            yield entry.with_key(key, tag)


def _slug(text: str) -> str:
    """Text as a portable file name, as far as it goes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:100].strip("-. ")
