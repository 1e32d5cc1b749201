"""The agent's log: JSON lines, rotated and capped, so that it can be read by programs and never fills the disk.

configure(places.log_file, level="info")
logging.getLogger("samovar.control").info("model loaded", extra={"model": key})
"""

from __future__ import annotations

import json
import logging
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

_FILE_BYTES = 5 * 1024 * 1024
_FILES = 4
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time (Unix seconds), level, logger, message, then whatever `extra` brought."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        entry: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class _ForPeople(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
        self.converter = time.localtime


def configure(file: Path, *, level: str, foreground: bool = False) -> None:
    """Send everything to `file`; with `foreground` also to stderr, for people.

    - file: rotated at 5 MiB, three old ones kept. - level: "debug", "info", "warning" or "error".
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    to_file = RotatingFileHandler(
        file, maxBytes=_FILE_BYTES, backupCount=_FILES - 1, encoding="utf-8", errors="backslashreplace"
    )
    to_file.setFormatter(JsonLines())
    handlers: list[logging.Handler] = [to_file]
    if foreground:
        to_terminal = logging.StreamHandler(sys.stderr)
        to_terminal.setFormatter(_ForPeople())
        handlers.append(to_terminal)
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    logging.raiseExceptions = False  # a full disk must not turn each log line into a traceback on stderr


def set_level(level: str) -> None:
    """Keep lines from this level on."""
    logging.getLogger().setLevel(level.upper())
