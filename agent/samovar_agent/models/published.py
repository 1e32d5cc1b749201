"""The small files beside a model's weights as it was published: configuration and vocabulary, read with bounds.

config = read_published(folder / "config.json", BertConfig)
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from samovar_agent.models.gguf_reader import printable, shown
from samovar_protocol import FailureCode, SamovarError

MAX_PUBLISHED_BYTES = 32 * 1024 * 1024
"""Longest file that is read; a tokenizer of 250,000 tokens has some 20 MB."""
_MAX_PROBLEM = 300

T = TypeVar("T")


def read_published(path: Path, type_: type[T]) -> T:
    """A JSON file, checked against `type_`. Raises `model_file_missing` or `model_file_broken`."""
    return decode_published(read_bytes(path), path, type_)


def decode_published(data: bytes | msgspec.Raw, path: Path, type_: type[T]) -> T:
    """JSON of the file at `path`, checked against `type_`. Raises `model_file_broken`."""
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise broken(path, f"cannot be understood: {str(error)[:_MAX_PROBLEM]}") from error


def read_bytes(path: Path) -> bytes:
    """All of a small file. Raises `model_file_missing`, or `model_file_broken` for a large one."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PUBLISHED_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SamovarError(
            FailureCode.MODEL_FILE_MISSING,
            printable(f"The model came without its file {shown(path.name)}."),
            hint="Get it from another source.",
        ) from error
    except OSError as error:
        raise broken(path, f"could not be read: {error.strerror or error}") from error
    if len(data) > MAX_PUBLISHED_BYTES:
        raise broken(path, f"is longer than {MAX_PUBLISHED_BYTES:,} bytes")
    return data


def broken(path: Path, problem: str) -> SamovarError:
    """The failure to raise: `<file> <problem>.`"""
    message = printable(f"{shown(path.name)} {problem}.")
    return SamovarError(FailureCode.MODEL_FILE_BROKEN, message, hint="Get the model again, or from another source.")


def unsupported(path: Path, problem: str) -> SamovarError:
    """The failure to raise for a sound file that this program cannot convert."""
    message = printable(f"{shown(path.name)} {problem}.")
    return SamovarError(FailureCode.MODEL_UNSUPPORTED, message, hint="Get the model as a GGUF file.")
