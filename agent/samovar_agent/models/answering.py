"""How what was found is chosen, ordered and explained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from samovar_agent.models.catalog import CatalogModel
from samovar_protocol import SamovarError
from samovar_protocol.values import CatalogEntry

SortOrder = Literal["downloads", "likes", "updated", "trending"]


def matching(models: Sequence[CatalogModel], query: str) -> list[CatalogModel]:
    """Models in which each word of the query begins a word or a name, or is part of one."""
    words = query.casefold().split()

    def text(model: CatalogModel) -> str:
        described = (model.key, *model.aliases, model.title, model.description, *model.capabilities, *model.languages)
        return " ".join(described).casefold()

    return [model for model in models if all(word in text(model) for word in words)]


def ordered(entries: list[CatalogEntry], sort: SortOrder) -> list[CatalogEntry]:
    """Largest first, what is unknown last; what is trending only the hub knows, so that order stays."""
    if sort == "trending":
        return entries
    key = {"downloads": "downloads", "likes": "likes", "updated": "updated_at"}[sort]
    return sorted(entries, key=lambda found: -(getattr(found, key) or -1))


def note_of(problem: SamovarError | None, as_of: float | None, known: str) -> str:
    """Why this is not the hub's answer of this moment; empty where it is."""
    if problem is None:
        return ""
    if as_of is None:
        return f"{problem.failure.message} This is what {known} says."
    return f"{problem.failure.message} This is what the hub said {_age(time.time() - as_of)} ago."


def _age(seconds: float) -> str:
    for length, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {word}{'s' if count > 1 else ''}"
    return "less than a minute"
