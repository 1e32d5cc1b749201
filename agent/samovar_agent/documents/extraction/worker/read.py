"""One file, from its path to its text."""

from __future__ import annotations

import os
import stat

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.names import file_title
from samovar_agent.documents.extraction.worker.depth import refuse_deep
from samovar_agent.documents.extraction.worker.document import read_document
from samovar_agent.documents.extraction.worker.encoding import decode
from samovar_agent.documents.extraction.worker.formats import recognise
from samovar_agent.documents.extraction.worker.packages import ZIP
from samovar_agent.documents.extraction.worker.plain import read_plain
from samovar_agent.documents.extraction.worker.refusal import RefusedError, megabytes
from samovar_agent.documents.extraction.worker.sheets import read_sheets

_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A named pipe would otherwise be waited for, and Windows would change line ends."""


def read_file(path: bytes, limits: Limits) -> Extracted:
    """The text of a file; where there is none, `problem` says why."""
    title = file_title(path)
    try:
        extracted = _read(path, title, limits)
        if len(extracted.text) * 4 > limits.text_bytes and len(extracted.text.encode()) > limits.text_bytes:
            raise RefusedError(
                "too_large",
                f"It has more than {megabytes(limits.text_bytes)} of text.",
                hint="Divide it into several files.",
                media_type=extracted.media_type,
            )
    except RefusedError as refused:
        return Extracted(title=title, media_type=refused.media_type, text="", problem=refused.problem)
    return extracted


def _read(path: bytes, title: str, limits: Limits) -> Extracted:
    content = _content(path, limits)
    form = recognise(path, content, limits)
    if content.startswith(ZIP):
        refuse_deep(content, form)
    match form.reader:
        case "document":
            return read_document(content, form, title)
        case "sheets":
            return read_sheets(content, form, title)
        case "html":
            return read_document(decode(content).encode(), form, title)
        case "text":
            return read_plain(content, form, title, limits)


def _content(path: bytes, limits: Limits) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | _WITHOUT_WAITING)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise RefusedError("unreadable", "It is no file that can be read.")
            if about.st_size > limits.file_bytes:
                raise RefusedError(
                    "too_large",
                    f"It has {megabytes(about.st_size)}; files up to {megabytes(limits.file_bytes)} are read.",
                )
            content = file.read(about.st_size + 1)
            if len(content) > about.st_size:  # it is growing
                content += file.read(limits.file_bytes + 1 - len(content))
    except FileNotFoundError as error:
        raise RefusedError("unreadable", "The file is not there any more.") from error
    except OSError as error:
        raise RefusedError("unreadable", f"The file could not be opened: {error.strerror or error}.") from error
    if len(content) > limits.file_bytes:
        raise RefusedError("too_large", f"The file has more than {megabytes(limits.file_bytes)}.")
    if not content:
        raise RefusedError("empty", "The file is empty.")
    return content
