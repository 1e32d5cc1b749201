"""Finds out early that texts are far too long: all tokens of 15 MB can take a minute, and others wait for theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

PORTION = 32_768
"""Characters whose tokens are counted at once."""

_SHORT = 8
"""Characters for each token of the context, up to which nothing is counted here; a token of prose has about 4."""

_QUICK = 256 * 1024
"""Characters whose tokens are made in a tenth of a second, so that they may as well be counted to the last."""

_SLACK = 2
"""A text in portions may have some more tokens than in one piece, but not twice as many."""


def tokens_if_far_too_many(
    texts: Sequence[str], context_length: int, tokenize: Callable[[str], Sequence[int]]
) -> int | None:
    """How many tokens were counted before it was plain that there is no room for them; None where there may be."""
    if sum(map(len, texts)) <= max(_SHORT * context_length, _QUICK):
        return None
    count = 0
    for text in texts:
        for begin in range(0, len(text), PORTION):
            count += len(tokenize(text[begin : begin + PORTION]))
            if count > _SLACK * context_length:
                return max(count // _SLACK, context_length + 1)
    return None
