"""A format that is read here."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Format(NamedTuple):
    """- name: for people, e.g. "PDF document". - reader: what reads it."""

    name: str
    media_type: str
    reader: Literal["document", "sheets", "html", "text"]
