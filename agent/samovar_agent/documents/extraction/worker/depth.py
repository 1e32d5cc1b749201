"""How deep the parts of a package are nested: the library that reads them goes down level by level, and ends with its
process where there are tens of thousands of them.

Looked at in two steps, since ordinary parts have some levels and thousands of elements: counting brackets gives more
levels than there are, at the speed of memory; only what seems deep by that is parsed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from xml.parsers import expat

from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.packages import BROKEN
from samovar_agent.documents.extraction.worker.refusal import RefusedError

DEEPEST = 2000
"""Levels that are read; the library bears some more even where threads have little memory."""
_MARKUP = (".xml", ".xhtml", ".html", ".htm", ".rels", ".opf", ".ncx")
_BLOCK_BYTES = 4096
_READ_BYTES = 1024 * 1024


def refuse_deep(content: bytes, form: Format) -> None:
    """Raise `RefusedError` where a part of a package is nested too deep."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            parts = [entry for entry in package.infolist() if entry.filename.lower().endswith(_MARKUP)]
            deep = any(_seems_deep(package, part) and _is_deep(package, part) for part in parts)
    except BROKEN:
        return  # the library says what it thinks of that
    if deep:
        raise RefusedError("too_deep", f"The {form.name} is nested deeper than is read.", media_type=form.media_type)


def _seems_deep(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    depth = 0
    for block in _blocks(package, part):
        ends = block.count(b"</")
        begins = block.count(b"<") - ends - block.count(b"<!") - block.count(b"<?")
        if depth + begins > DEEPEST:
            return True
        depth = max(0, depth + begins - ends - block.count(b"/>"))
    return False


def _blocks(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The part in pieces that end where a bracket closes, or none of its two characters would be seen together."""
    with package.open(part) as file:
        rest = b""
        while data := file.read(_READ_BYTES):
            data, at = rest + data, 0
            while (end := data.rfind(b">", at, at + _BLOCK_BYTES) + 1) > 0 and len(data) - at > _BLOCK_BYTES:
                yield data[at:end]
                at = end
            if len(data) - at > _READ_BYTES:  # a long text, or no markup at all
                yield data[at:]
                at = len(data)
            rest = data[at:]
        yield rest


def _is_deep(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    depth = deepest = 0

    def begin(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(depth, deepest)

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    with package.open(part) as file:
        try:
            while deepest <= DEEPEST and (data := file.read(_READ_BYTES)):
                parser.Parse(data)
        except expat.ExpatError:
            pass  # what is deep was so before the fault, or the library stops at the same place
    return deepest > DEEPEST
