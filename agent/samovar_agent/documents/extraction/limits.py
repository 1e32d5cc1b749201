"""How much one file may cost."""

from __future__ import annotations

import msgspec

_MEGABYTE = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What reading a file may take before it is given up.

    - file_bytes: of the file. - text_bytes: of what comes out of it, in UTF-8; a message to the agent holds no more.
    - unpacked_bytes: of a package (DOCX, EPUB, ...) unpacked. - unpacked_ratio: to its packed size, for those that are
    not small. - seconds: for one file. - memory_bytes: of the process. - files: after so many that libraries read, a
    new process begins, whatever they have left behind in the old one. - idle_seconds: without work it ends; the next
    file starts another.
    """

    file_bytes: int = 256 * _MEGABYTE
    text_bytes: int = 48 * _MEGABYTE
    unpacked_bytes: int = 512 * _MEGABYTE
    unpacked_ratio: int = 200
    seconds: float = 120.0
    memory_bytes: int = 2048 * _MEGABYTE
    files: int = 500
    idle_seconds: float = 60.0
