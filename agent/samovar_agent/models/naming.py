"""Which model does a person mean? Keys, short names and parts of them, without guessing between two."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """What one model can be called: `publisher/name@tag`, and its aliases.

    - key: what it is listed as, with or without the tag. - tag: quantization, or whatever tells it from its siblings.
    """

    key: str
    publisher: str
    name: str
    tag: str
    aliases: tuple[str, ...] = ()


def meant(name: str, models: Iterable[Named], *, parts: bool = True) -> list[str]:
    """Keys of the models that `name` can mean: one is an answer, none is unknown, several are ambiguous.

    - parts: also a part of a name, where no whole name fits.

    Whole names go before parts, so that a longer name beside it never makes a whole one ambiguous. A part begins where
    a word begins: `135m` is a part of `SmolLM2-135M`, `35m` is not.
    """
    models = list(models)
    if any(model.key == name for model in models):
        return [name]
    wanted, at, tag = name.strip().casefold().partition("@")
    if at:
        models = [model for model in models if model.tag.casefold() == tag]
    for matches in (_is_full_name, _is_short_name, _is_part)[: 3 if parts else 2]:
        if found := [model.key for model in models if matches(wanted, model)]:
            return found
    return []


def near(name: str, names: Sequence[str]) -> list[str]:
    """Up to three of `names` that look like `name`, for a hint after a typing error."""
    folded = {known.casefold(): known for known in names}
    wanted = name.casefold()
    found = difflib.get_close_matches(wanted, folded, n=3, cutoff=0.5)
    # People rarely type the publisher; compare with the rest alone too.
    short = {known.rpartition("/")[2]: known for known in folded}
    found += [short[match] for match in difflib.get_close_matches(wanted, short, n=3, cutoff=0.5)]
    return [folded[match] for match in dict.fromkeys(found)][:3]


def _is_full_name(wanted: str, model: Named) -> bool:
    return wanted == f"{model.publisher}/{model.name}".casefold()


def _is_short_name(wanted: str, model: Named) -> bool:
    return wanted in {model.name.casefold(), *(alias.casefold() for alias in model.aliases)}


def _is_part(wanted: str, model: Named) -> bool:
    if not wanted:
        return False
    return bool(re.search(rf"(?<![^\W_]){re.escape(wanted)}", f"{model.publisher}/{model.name}@{model.tag}".casefold()))
