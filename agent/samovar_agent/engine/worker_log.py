"""What a worker says on standard error: a file that cannot grow without end, and the last lines for error reports."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from pathlib import Path

MAX_BYTES = 1024 * 1024
"""A full file becomes `.log.1` and a new one begins, so at most twice this lies on disk for one identifier."""
_TAIL_LINES = 50
_MAX_LINE_BYTES = 8192


class WorkerLog:
    """The log of one worker.

        log = WorkerLog(places.logs, "publisher/name")      # logs/worker-publisher-name.log

    A disk that is full costs log lines, nothing else.
    """

    def __init__(self, folder: Path, identifier: str) -> None:
        self.path = folder / f"worker-{safe_name(identifier)}.log"
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._line = b""

    @property
    def last_line(self) -> str:
        """The last line that says anything; empty where there is none."""
        return next((line for line in reversed(self.tail) if line), "")

    def feed(self, data: bytes) -> None:
        """Take what came, at whatever point it was split."""
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-_MAX_LINE_BYTES:]
        self.tail.extend(line[:_MAX_LINE_BYTES].decode("utf-8", "replace").strip() for line in lines)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size + len(data) > MAX_BYTES:
                self.path.replace(self.path.with_suffix(".log.1"))
            with self.path.open("ab") as file:
                file.write(data[-MAX_BYTES:])

    def finish(self) -> None:
        """Nothing follows."""
        if self._line:
            self.tail.append(self._line.decode("utf-8", "replace").strip())
            self._line = b""


def safe_name(identifier: str) -> str:
    """An identifier as part of a file name on every system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", identifier).strip("-.")[:100] or "unnamed"
