"""Which documents count: `--path`, `--type`, `--since` and `--until`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from samovar.cli.docs.options import absolute
from samovar.cli.options import duration

if TYPE_CHECKING:
    from samovar_protocol.documents import DocumentFilter

F = TypeVar("F", bound=Callable[..., Any])


def media_type(text: str) -> str:
    """`application/pdf` from itself or from `pdf`; a click argument type."""
    if "/" in text:
        return text
    import mimetypes

    from samovar_protocol.media_types import MEDIA_TYPES

    ending = text.lower().lstrip(".")
    # Its own table; the machine's would make the answer depend on the machine.
    found = MEDIA_TYPES.get(ending) or mimetypes.MimeTypes().guess_type(f"name.{ending}")[0]
    if found is None or not (ending in MEDIA_TYPES or found.startswith("text/")):
        raise click.BadParameter(f"'{text}' is no ending that is known here. Give a media type, as in text/plain.")
    return found


def since(text: str) -> float:
    """A time as seconds; a day means its beginning. A click argument type."""
    return _moment(text)[0]


def until(text: str) -> float:
    """A time as seconds; a day means its end. A click argument type."""
    return _moment(text)[1]


def _moment(text: str) -> tuple[float, float]:
    """The first and the last moment that `text` means."""
    if re.fullmatch(r"\d+(\.\d+)?[smhd]", text.strip()):
        before = datetime.now().timestamp() - duration(text)
        return before, before
    try:
        moment = datetime.fromisoformat(text.strip())
        if re.fullmatch(r"[\d-]+", text.strip()):
            after = (moment + timedelta(days=1) - timedelta(microseconds=1)).timestamp()
            return moment.timestamp(), after
        return moment.timestamp(), moment.timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"'{text}' is not a time. Use a day as in 2026-11-23, 2026-11-23T09:30, or how long ago as in 7d."
        ) from None


def filter_options(function: F) -> F:
    """Which documents count; the command receives them as keywords for `document_filter`."""
    for option in reversed(
        [
            click.option(
                "--path",
                metavar="PATH",
                type=click.Path(path_type=Path),
                help="Only this file, or what lies in this folder.",
            ),
            click.option(
                "--type",
                "types",
                metavar="TYPE",
                type=media_type,
                multiple=True,
                help="Only documents of this kind: pdf, docx, md, text/csv …; repeatable.",
            ),
            click.option(
                "--since",
                metavar="TIME",
                type=since,
                help="Only what was changed since then: 2026-11-23, or 7d for a week ago.",
            ),
            click.option("--until", metavar="TIME", type=until, help="Only what was last changed by then."),
        ]
    ):
        function = option(function)
    return function


def document_filter(
    *, path: Path | None, types: tuple[str, ...], since: float | None, until: float | None
) -> DocumentFilter:
    """The filter that was asked for on the command line."""
    from samovar_protocol.documents import DocumentFilter

    return DocumentFilter(
        path_prefix=None if path is None else absolute(path), media_types=types, since=since, until=until
    )
