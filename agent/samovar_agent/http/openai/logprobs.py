"""Log probabilities in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from samovar_protocol.values import TokenLogprob

LEAST = -9999.0
"""What OpenAI says of a token that is out of the question; JSON has no minus infinity."""


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """A token that could have stood there. - bytes: what its text is short for, where it ends inside a character."""

    token: str
    logprob: float
    bytes: list[int]


class TokenEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A token of the reply."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[Alternative]


class Logprobs(msgspec.Struct, frozen=True, kw_only=True):
    """Of the tokens of one choice, or of one chunk."""

    content: list[TokenEntry]
    refusal: None = None


def logprobs_of(tokens: Sequence[TokenLogprob]) -> Logprobs | None:
    """The entries; None where there are none, as where nobody asked."""
    if not tokens:
        return None
    return Logprobs(
        content=[
            TokenEntry(
                token=token.text,
                logprob=max(token.logprob, LEAST),
                bytes=list(token.data),
                top_logprobs=[
                    Alternative(token=other.text, logprob=max(other.logprob, LEAST), bytes=list(other.data))
                    for other in token.top
                ],
            )
            for token in tokens
        ]
    )
