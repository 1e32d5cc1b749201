"""Log probabilities in the older shape, that of `POST /v1/completions`: lists beside each other."""

from __future__ import annotations

import codecs
import math
from collections.abc import Sequence

import msgspec

from samovar_agent.http.openai.logprobs import LEAST
from samovar_protocol.values import TokenLogprob


class TextLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    """- text_offset: where each token begins in the choice's text, in characters. - top_logprobs: by token. Null for a
    prompt's first token, which nothing comes before."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TokenOffsets:
    """Goes through the tokens of one choice, from the first of its text on."""

    def __init__(self) -> None:
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def logprobs_of(self, tokens: Sequence[TokenLogprob]) -> TextLogprobs | None:
        """The next tokens; None where there are none, as where nobody asked."""
        if not tokens:
            return None
        offsets: list[int] = []
        for token in tokens:
            offsets.append(self._at)
            self._at += len(self._decoder.decode(token.data))
        return TextLogprobs(
            tokens=[_name(token) for token in tokens],
            token_logprobs=[None if math.isnan(token.logprob) else max(token.logprob, LEAST) for token in tokens],
            top_logprobs=[None if math.isnan(token.logprob) else _top(token) for token in tokens],
            text_offset=offsets,
        )


def _top(token: TokenLogprob) -> dict[str, float]:
    return {_name(other): max(other.logprob, LEAST) for other in (*token.top, token)}


def _name(token: TokenLogprob) -> str:
    """A token as a text, also one that ends inside a character: two of those must not look alike."""
    try:
        return token.data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.data)
