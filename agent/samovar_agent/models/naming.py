"""Which model does a person mean? Keys, short names and parts of them, without guessing between two."""

from __future__ import annotations

import difflib
import heapq
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

LATEST = "latest"
"""The tag of a name without one, as Ollama has it."""
_HUBS = ("hf.co/", "huggingface.co/")
_MANY = 200
"""Names that are compared letter by letter; of more, those that share most pairs of letters."""


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


class Names:
    """What many models can be called, ordered so that one name is found among thousands without looking at each."""

    def __init__(self, models: Iterable[Named]) -> None:
        self._models = {model.key: model for model in models}
        self._full: dict[str, list[str]] = defaultdict(list)
        self._short: dict[str, list[str]] = defaultdict(list)
        lines = []
        for model in self._models.values():
            self._full[f"{model.publisher}/{model.name}".casefold()].append(model.key)
            for name in {model.name.casefold(), *(alias.casefold() for alias in model.aliases)}:
                self._short[name].append(model.key)
            lines.append(f"{model.publisher}/{model.name}@{model.tag}".casefold().replace("\n", " "))
        self._keys = list(self._models)
        self._text = "\n".join(lines)

    def meant(self, name: str, *, parts: bool = True) -> list[str]:
        """Keys of the models that `name` can mean: one is an answer, none is unknown, several are ambiguous.

        - parts: also a part of a name, where no whole name fits.

        Whole names go before parts, so that a longer name beside it never makes a whole one ambiguous. A part begins
        where a word begins: `135m` is a part of `SmolLM2-135M`, `35m` is not.
        """
        if name in self._models:
            return [name]
        wanted, at, tag = name.strip().casefold().partition("@")
        for names in (self._full, self._short):
            if found := self._tagged(names.get(wanted, []), at, tag):
                return found
        return self._tagged(self._with_part(wanted), at, tag) if parts and wanted else []

    def _tagged(self, keys: list[str], at: str, tag: str) -> list[str]:
        return [key for key in keys if not at or self._models[key].tag.casefold() == tag]

    def _with_part(self, wanted: str) -> list[str]:
        found: list[str] = []
        if "\n" in wanted:
            return found
        line = end = 0
        for match in re.finditer(rf"(?<![^\W_]){re.escape(wanted)}", self._text):
            if match.start() < end:
                continue  # this model is found already
            line += self._text.count("\n", end, match.start())
            end = self._text.find("\n", match.start())
            end = len(self._text) if end < 0 else end
            found.append(self._keys[line])
        return found


def meanings(name: str) -> Iterator[str]:
    """What a name can stand for, the likeliest first: itself, or what it would be where Ollama's users write it.

    They write `name:tag`. The tag is a quantization, or the part of a name that says the size, or both, or "latest",
    which says nothing: `smollm2:135m` is `smollm2-135m`. Models of the hub have its address before their name.
    """
    for hub in _HUBS:
        name = name.removeprefix(hub)
    yield name
    base, colon, tag = name.rpartition(":")
    if not colon or not base or not tag or "/" in tag:
        return
    if tag.casefold() == LATEST:
        yield base
        return
    yield f"{base}@{tag}"
    yield f"{base}-{tag}"
    size, dash, quantization = tag.rpartition("-")
    if dash and size:
        yield f"{base}-{size}@{quantization}"


def meant(name: str, models: Iterable[Named], *, parts: bool = True) -> list[str]:
    """Keys of the models that `name` can mean, asked once; see `Names.meant`."""
    return Names(models).meant(name, parts=parts)


def near(name: str, names: Sequence[str]) -> list[str]:
    """Up to three of `names` that look like `name`, for a hint after a typing error."""
    wanted = name.casefold()
    if len(names) > _MANY:
        pairs = set(pairwise(wanted))
        names = heapq.nlargest(_MANY, names, key=lambda known: len(pairs.intersection(pairwise(known.casefold()))))
    folded = {known.casefold(): known for known in names}
    found = difflib.get_close_matches(wanted, folded, n=3, cutoff=0.5)
    # People rarely type the publisher; compare with the rest alone too.
    short = {known.rpartition("/")[2]: known for known in folded}
    found += [short[match] for match in difflib.get_close_matches(wanted, short, n=3, cutoff=0.5)]
    return [folded[match] for match in dict.fromkeys(found)][:3]
