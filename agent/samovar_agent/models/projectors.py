"""Which vision projector belongs to which model: files beside a model that let it see or hear."""

from __future__ import annotations

from collections import defaultdict

from samovar_agent.models.entry import Look
from samovar_agent.models.files import stem_and_tag
from samovar_agent.models.found import Found

_PREFERRED = ("F16", "BF16", "Q8_0", "F32")
"""Of several precisions of one projector: the smallest that loses nothing first."""


class Projectors:
    """Projectors and models by their home, collected first and matched afterwards."""

    def __init__(self) -> None:
        self._projectors: dict[str, list[tuple[str, str, str | None]]] = defaultdict(list)
        self._models: dict[str, list[Found]] = defaultdict(list)

    def add(self, found: Found, look: Look) -> None:
        """A file that is no model by itself; only projectors are kept."""
        if look.header and look.header.modalities:
            stem, tag = stem_and_tag(found.shown_name)
            self._projectors[found.home].append((found.path, _core(stem), tag or look.header.quantization))

    def count(self, found: Found) -> None:
        """A model, which may be the only one of its home."""
        self._models[found.home].append(found)

    def of(self, found: Found, look: Look) -> str | None:
        """The path of the projector that goes with this model; None where there is none, or nobody can tell."""
        if found.projector:
            return found.projector
        choices = self._projectors.get(found.home)
        if not choices or look.header is None or "chat" not in look.header.capabilities:
            return None
        stem = _stem(found)
        named = [choice for choice in choices if choice[1] and (choice[1] in stem or stem in choice[1])]
        if not named and len({_stem(other) for other in self._models[found.home]}) == 1:
            named = choices
        if not named:
            return None
        return min(named, key=lambda choice: (-len(choice[1]), _rank(choice[2]), choice[0]))[0]


def _stem(found: Found) -> str:
    return _core(stem_and_tag(found.shown_name)[0])


def _core(stem: str) -> str:
    """A file's stem without what only says that it is a projector."""
    return stem.casefold().replace("mmproj", "").strip("-_. ").removeprefix("model").strip("-_. ")


def _rank(tag: str | None) -> int:
    tag = (tag or "").upper()
    return _PREFERRED.index(tag) if tag in _PREFERRED else len(_PREFERRED)
