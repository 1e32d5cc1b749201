"""Documents that are ZIP packages: which one it is, and whether it may be unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.refusal import RefusedError, megabytes
from samovar_protocol.media_types import MEDIA_TYPES

ZIP = b"PK\x03\x04"
"""How a package begins."""
_SMALL_BYTES = 16 * 1024 * 1024
"""A package that unpacks to less is no bomb, whatever its ratio; sheets with many equal rows pack 500 to 1."""
_MANIFEST_BYTES = 1024 * 1024
# The main part of each, as its program always names it.
_PARTS = (
    ("word/document", Format("Word document", MEDIA_TYPES["docx"], "document")),
    ("ppt/presentation", Format("PowerPoint presentation", MEDIA_TYPES["pptx"], "document")),
    ("xl/workbook", Format("Excel workbook", MEDIA_TYPES["xlsx"], "sheets")),
)
_TYPES = {
    form.media_type: form
    for form in (
        Format("OpenDocument text", MEDIA_TYPES["odt"], "document"),
        Format("OpenDocument spreadsheet", MEDIA_TYPES["ods"], "sheets"),
        Format("EPUB book", MEDIA_TYPES["epub"], "document"),
    )
}
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, NotImplementedError, EOFError)
"""What Python's library raises for packages that are not what they say."""
_RIGHTS = ("META-INF/rights.xml", "META-INF/sinf.xml")
"""Where shops write who may read a book: its text is encrypted then."""


def recognise_package(content: bytes, limits: Limits) -> Format:
    """The format of a ZIP package; raises `RefusedError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            form = _format(package)
            _check_size(package, len(content), limits, form)
            if _is_encrypted(package):
                raise RefusedError(
                    "encrypted",
                    "Its text is encrypted.",
                    hint="Save it without a password and add it again.",
                    media_type=form.media_type,
                )
            return form
    except BROKEN as error:
        raise RefusedError(
            "damaged",
            "Its package cannot be opened; the file may have been cut off.",
            hint="Copy it again from where it came.",
            media_type="application/zip",
        ) from error


def is_sound(content: bytes) -> bool:
    """Whether every part of a ZIP package is as long as its directory says, and unharmed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            return package.testzip() is None
    except BROKEN:
        return False


def _format(package: zipfile.ZipFile) -> Format:
    names = package.namelist()
    for part, form in _PARTS:
        if any(name.startswith(part) for name in names):
            return form
    if "mimetype" in names and (known := _TYPES.get(_beginning(package, "mimetype", 100).decode("ascii", "replace"))):
        return known
    if any(entry.flag_bits & 1 for entry in package.infolist()):
        raise RefusedError(
            "encrypted",
            "It is a ZIP archive that needs a password.",
            hint="Unpack it and add what is in it.",
            media_type="application/zip",
        )
    raise RefusedError(
        "unsupported", "It is a ZIP archive.", hint="Unpack it and add what is in it.", media_type="application/zip"
    )


def _check_size(package: zipfile.ZipFile, packed: int, limits: Limits, form: Format) -> None:
    unpacked = sum(entry.file_size for entry in package.infolist())
    if unpacked > limits.unpacked_bytes or (unpacked > _SMALL_BYTES and unpacked > packed * limits.unpacked_ratio):
        raise RefusedError(
            "too_large",
            f"It has {packed / 1e6:,.1f} MB and unpacks to {megabytes(unpacked)}, as no ordinary document does.",
            media_type=form.media_type,
        )


def _is_encrypted(package: zipfile.ZipFile) -> bool:
    names = set(package.namelist())
    return (
        any(entry.flag_bits & 1 for entry in package.infolist())
        or any(name in names for name in _RIGHTS)
        or (
            "META-INF/manifest.xml" in names
            and b"encryption-data" in _beginning(package, "META-INF/manifest.xml", _MANIFEST_BYTES)
        )
    )


def _beginning(package: zipfile.ZipFile, name: str, most: int) -> bytes:
    entry = package.getinfo(name)
    if entry.flag_bits & 1:
        return b""
    with package.open(entry) as file:
        return file.read(most)
