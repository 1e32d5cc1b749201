"""What is piped into a command."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

import click

from samovar.cli import output, terminal

_PATIENCE = 1.5
"""Seconds of silence on stdin before a word about it."""


def piped() -> bytes:
    """Everything on stdin. As bytes: a pipe may bring anything, and one bad byte must not cost the rest."""
    # A pipe that nobody closes, as over ssh, would look like a model that thinks for ever.
    notice = threading.Timer(_PATIENCE, output.note, ["Waiting for the end of stdin; `</dev/null` gives it none."])
    notice.daemon = True
    notice.start()
    try:
        return sys.stdin.buffer.read()
    finally:
        notice.cancel()


def texts_or_piped(texts: Sequence[str], what: str) -> list[str]:
    """The texts; for a single `-`, or for none where something is piped in, the lines of stdin.

    - what: the argument's name, for the message where there is no text at all.
    """
    if list(texts) == ["-"] or (not texts and not terminal.stdin_is_terminal()):
        texts = [line.decode(errors="replace") for line in piped().splitlines()]
    if not texts:
        raise click.UsageError(f"There is no {what}: give some, or pipe them in, one a line.")
    return list(texts)
