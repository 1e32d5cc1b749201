"""llama.cpp's `samplers`: which steps choose a token, in which order. Editors' plugins send it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from samovar_agent.http.errors import bad_request

_ORDER = ("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "infill", "temperature")
"""The one in which they are applied here; it is llama.cpp's own."""

_LETTERS = dict(zip("edskypmxit", _ORDER, strict=True))

_OTHER_NAMES = {
    "top-k": "top_k",
    "top-n-sigma": "top_n_sigma",
    "top-p": "top_p",
    "nucleus": "top_p",
    "min-p": "min_p",
    "typical": "typ_p",
    "typical-p": "typ_p",
    "typical_p": "typ_p",
    "typ-p": "typ_p",
    "typ": "typ_p",
    "temp": "temperature",
}

_OFF: dict[str, dict[str, Any]] = {
    "penalties": {"repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0},
    "dry": {"dry_multiplier": 0.0},
    "top_k": {"top_k": 0},
    "typ_p": {"typical_p": 1.0},
    "top_p": {"top_p": 1.0},
    "min_p": {"min_p": 0.0},
    "temperature": {"temperature": 1.0},
}
"""What leaves a step out that is not in the list; the others do nothing by themselves."""


class Steps(NamedTuple):
    """- off: parameters of the steps that are left out. - joined: whether that for filling in is among them."""

    off: dict[str, Any]
    joined: bool


def steps_of(samplers: str | Sequence[str] | None) -> Steps:
    """What a list says; None says nothing. Raises `bad_request` for another order than ours, and unknown steps.

    - samplers: names, or a letter for each.
    """
    if samplers is None:
        return Steps({}, joined=False)
    if isinstance(samplers, str):
        names = [_LETTERS.get(letter, letter) for letter in samplers]
    else:
        names = [_OTHER_NAMES.get(name, name) for name in samplers]
    for name in names:
        if name not in _ORDER:
            raise bad_request(
                f"'{name[:50]}' in 'samplers' is not a sampler here.",
                param="samplers",
                hint=f"These are: {', '.join(_ORDER)}.",
            )
    places = [_ORDER.index(name) for name in names]
    if places != sorted(set(places)):
        raise bad_request(
            "'samplers' has another order than the one in which they are applied here, or one of them twice.",
            param="samplers",
            hint=f"The order is: {', '.join(_ORDER)}.",
        )
    off = {key: value for name, values in _OFF.items() if name not in names for key, value in values.items()}
    return Steps(off, joined="infill" in names)
