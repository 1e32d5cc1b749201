"""The beginning of a text that is too long for a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_AROUND = 2
"""Tokens that a model's own vocabulary may put around a text."""


class Counts(Protocol):
    """Who can count tokens."""

    async def count_tokens(self, model: str, texts: Sequence[str]) -> list[int]:
        """How many each text has."""


async def shortened(instances: Counts, model: str, text: str, limit: int) -> str:
    """As much of the text as has so many tokens, with those around it; at least a character."""
    most = max(limit - _AROUND, 1)
    (count,) = await instances.count_tokens(model, [text])
    if count <= most:
        return text
    low, high = 1, len(text)  # so much fits, and so much does not
    end = high * most // count  # where the limit is if all the text is alike
    while high - low > 1:
        end = min(max(end, low + 1), high - 1)
        (count,) = await instances.count_tokens(model, [text[:end]])
        if count <= most:
            low = end
        else:
            high = end
        if count == most:
            break
        end = (low + high) // 2
    return text[:low]
