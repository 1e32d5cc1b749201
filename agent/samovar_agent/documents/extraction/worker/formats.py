"""What a file is, by its content; its name only decides among texts."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path

from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.worker.encoding import is_text
from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.packages import ZIP, recognise_package
from samovar_agent.documents.extraction.worker.refusal import RefusedError
from samovar_protocol.media_types import MEDIA_TYPES

PDF = Format("PDF document", MEDIA_TYPES["pdf"], "document")
RTF = Format("RTF document", MEDIA_TYPES["rtf"], "document")
HTML = Format("HTML page", MEDIA_TYPES["html"], "html")
EMAIL = Format("e-mail", MEDIA_TYPES["eml"], "document")
NOTEBOOK = Format("notebook", MEDIA_TYPES["ipynb"], "document")
OUTLOOK = Format("Outlook message", MEDIA_TYPES["msg"], "document")
WORD = Format("old Word document", MEDIA_TYPES["doc"], "document")
POWERPOINT = Format("old PowerPoint presentation", MEDIA_TYPES["ppt"], "document")
EXCEL = Format("old Excel workbook", MEDIA_TYPES["xls"], "sheets")

_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# In this order: a message may carry documents of the other kinds.
_STREAMS = (
    ("__properties_version1.0", OUTLOOK),
    ("WordDocument", WORD),
    ("PowerPoint Document", POWERPOINT),
    ("Workbook", EXCEL),
    ("Book", EXCEL),
)
_PDF_HEAD_BYTES = 1024
"""Readers of PDF look so far for its first line, and some programs write something before it."""

_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"BM")
_NAMED: dict[bytes, str] = {
    b".pdf": "a PDF document",
    b".docx": "a Word document",
    b".pptx": "a PowerPoint presentation",
    b".xlsx": "an Excel workbook",
    b".odt": "an OpenDocument text",
    b".ods": "an OpenDocument spreadsheet",
    b".epub": "an EPUB book",
    b".rtf": "an RTF document",
    b".msg": "an Outlook message",
    b".doc": "a Word document",
    b".ppt": "a PowerPoint presentation",
    b".xls": "an Excel workbook",
}
_TEXTS: dict[bytes, Format] = {
    b".html": HTML,
    b".htm": HTML,
    b".xhtml": HTML,
    b".eml": EMAIL,
    b".ipynb": NOTEBOOK,
    b".md": Format("Markdown", MEDIA_TYPES["md"], "text"),
    b".markdown": Format("Markdown", MEDIA_TYPES["md"], "text"),
    b".csv": Format("CSV table", MEDIA_TYPES["csv"], "text"),
    b".tsv": Format("TSV table", MEDIA_TYPES["tsv"], "text"),
    b".json": Format("JSON", MEDIA_TYPES["json"], "text"),
}
_SOURCE_CODE = mimetypes.MimeTypes()
"""Python's own table; the machine's would make the answer depend on the machine."""


def recognise(path: bytes, content: bytes, limits: Limits) -> Format:
    """The format of a file; raises `RefusedError` where it is none that is read, or is protected, or not unpacked."""
    suffix = os.fsencode(Path(os.fsdecode(path)).suffix.lower())
    if content.startswith(b"%PDF-") or (suffix == b".pdf" and b"%PDF-" in content[:_PDF_HEAD_BYTES]):
        return PDF
    if content.startswith(ZIP):
        return recognise_package(content, limits)
    if content.startswith(_COMPOUND):
        return _compound(suffix, content)
    if content.lstrip()[:5] == b"{\\rtf":
        return RTF
    if not is_text(content):
        raise _no_document(suffix, content)
    if suffix in _NAMED:
        raise RefusedError("mislabelled", f"It is named like {_NAMED[suffix]}, but its content is plain text.")
    return _text(suffix, content)


def _text(suffix: bytes, content: bytes) -> Format:
    if suffix in _TEXTS:
        return _TEXTS[suffix]
    if content[:256].lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return HTML
    guess, _ = _SOURCE_CODE.guess_type("name" + suffix.decode("ascii", "replace"))
    return Format("text", guess if guess and guess.startswith("text/") else "text/plain", "text")


def _compound(suffix: bytes, content: bytes) -> Format:
    """OLE: what Microsoft's programs wrote before 2007, and still write around what they encrypt."""
    if _utf16("EncryptedPackage") in content:
        raise RefusedError("encrypted", "It needs a password.", hint="Save it without a password and add it again.")
    for stream, form in _STREAMS:
        if _utf16(stream) in content:
            return form
    if suffix in _NAMED:
        raise RefusedError(
            "damaged",
            f"It is named like {_NAMED[suffix]}, but there is none in it; it may have been cut off.",
            hint="Copy it again from where it came.",
        )
    raise RefusedError("unsupported", "It is an old Microsoft file of a kind that is not read here.")


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def _no_document(suffix: bytes, content: bytes) -> RefusedError:
    if suffix in _NAMED:
        return RefusedError(
            "mislabelled",
            f"It is named like {_NAMED[suffix]}, but its content is something else.",
            hint="It may be damaged; try to open it with the program that made it.",
        )
    if content.startswith(_PICTURES) or content[8:12] == b"WEBP":
        return RefusedError("unsupported", "It is a picture; text in pictures is not read.")
    return RefusedError("unsupported", "It is neither text nor a kind of document that is read here.")
