"""Speculation without a second model: what follows an earlier occurrence of the newest tokens is proposed again.

A reply that edits its prompt copies most of it. Several proposed tokens are verified in one step, which is cheaper than
a step for each, but far from free: short proposals lose time even when they are right. So a proposal is as long as
makes the step worth most, which depends on what a step costs and on how far such matches have held so far.

How far they hold is learned without proposing anything: every token that the model writes either is what the current
match foretold or is not. Text that never repeats therefore never pays for a proposal.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

_SHORTEST = 3
"""Tokens that must agree for a place to count as a match; two agree by chance all the time."""
_NGRAM_MASK = (1 << 32 * _SHORTEST) - 1
_CANDIDATES = 16
"""How many earlier occurrences, newest first, are compared for the longest match."""
_COMPARED = 32
"""Tokens looked back to find the longest match; longer ones are equally sure."""
_NEARBY = 8
"""After a difference, a copy is sought so many tokens around where it was left; there two tokens are enough."""

_PRIOR = (0.5, 0.5, 0.7, 0.85, 0.94, 0.97, 0.98, 0.99)
"""Chance that a match of 0, 1, 2-3, 4-7, 8-15, 16-31, 32-63 or more tokens holds for one more, before any is seen."""
_PRIOR_WEIGHT = 3.0
"""How many observations the prior counts for."""
_MEMORY = 1 - 1 / 64
"""What an observation still counts for after the next of its kind: a reply may quote first and explain later."""
_LEAST_GAIN = 1.1
"""A proposal must promise this much; estimates are noisy, and one token at a time is never wrong."""


class CostCurve:
    """Seconds of one decode step by the number of tokens in it.

        curve = CostCurve({1: 0.0078, 2: 0.016, 4: 0.022, 9: 0.040})
        curve(6)  # 0.0292

    - points: measured; 1 must be among them. Between them the cost is interpolated, and behind the last it goes on as
    from the one before. A cost that falls is taken for noise.
    Raises ValueError for points that cannot be costs.
    """

    def __init__(self, points: Mapping[int, float]) -> None:
        if 1 not in points or min(points) < 1 or not all(0 < cost < math.inf for cost in points.values()):
            raise ValueError(f"a cost curve needs positive seconds for 1 and more tokens, not {dict(points)}")
        self._sizes = sorted(points)
        self._costs: list[float] = []
        for size in self._sizes:
            self._costs.append(max(points[size], *self._costs[-1:], 0.0))

    def __call__(self, tokens: int) -> float:
        """Seconds of a step of `tokens` tokens."""
        sizes, costs = self._sizes, self._costs
        if len(sizes) == 1:
            return costs[0] * tokens  # nothing shows that tokens together are cheaper
        right = min(max(bisect_left(sizes, tokens), 1), len(sizes) - 1)
        slope = (costs[right] - costs[right - 1]) / (sizes[right] - sizes[right - 1])
        return costs[right - 1] + (tokens - sizes[right - 1]) * slope


class Drafter:
    """Proposes tokens for one sequence.

        drafter = Drafter(curve)
        drafter.accept(prompt)
        proposal = drafter.draft()
        drafter.verified(len(proposal), accepted)
        drafter.accept([*proposal[:accepted], sampled])

    - curve: what a step costs. - max_draft: tokens in the longest proposal.
    - proposed, accepted: totals, for the request's stats.
    """

    def __init__(self, curve: CostCurve, *, max_draft: int = 16) -> None:
        self.proposed = self.accepted = 0
        self._curve = curve
        self._max_draft = max_draft
        self._tokens: list[int] = []
        self._ngram = 0
        self._newest: dict[int, int] = {}  # n-gram -> where its newest occurrence ends
        self._earlier: list[int] = []  # where an n-gram ends -> where the one before ended, or -1
        self._follow = -1  # the place of the token that the match foretells, or -1
        self._held = 0  # how many tokens before that place agree with the newest ones
        self._left = -1  # where the last match broke
        self._seen = [0.0] * len(_PRIOR)
        self._agreed = [0.0] * len(_PRIOR)

    def accept(self, tokens: Sequence[int]) -> None:
        """Append to the sequence: first the whole prompt, then what each step yielded."""
        if not self._tokens:  # nothing is learned from how a prompt repeats itself; the model did not write it
            for token in tokens:
                self._append(token)
            self._find()
            return
        for token in tokens:
            if self._follow >= 0:
                self._learn(token)
            self._append(token)
            if self._follow < 0:
                self._find()

    def draft(self, streams: int = 1, step_tokens: int | None = None) -> list[int]:
        """The tokens to verify in the next step; none where that does not pay.

        - streams: sequences that get a token from the step, this one included. - step_tokens: tokens in the step
        already, this sequence's newest included; None takes one a stream.
        """
        if self._follow < 0:
            return []
        length = self._best_length(streams, streams if step_tokens is None else step_tokens)
        known = self._tokens[self._follow : self._follow + length]
        # A match that reaches the end of the text is a text that repeats itself: what it foretells goes round.
        return [known[index % len(known)] for index in range(length)]

    def verified(self, proposed: int, accepted: int) -> None:
        """Count what became of a proposal."""
        self.proposed += proposed
        self.accepted += accepted

    def _best_length(self, streams: int, step_tokens: int) -> int:
        """The length with the most expected tokens per second, for this sequence's share of the step.

        Prompts and other proposals in the step are paid for anyway, so only what this one adds is counted; and it is
        weighed against the share, since the others wait for it too.
        """
        curve = self._curve
        share = curve(streams) / streams
        without = curve(step_tokens)
        best, best_rate = 0, _LEAST_GAIN / share
        expected = chance = 1.0
        for length in range(1, self._max_draft + 1):
            chance *= self._chance(self._held + length - 1)
            expected += chance
            rate = expected / (share + curve(step_tokens + length) - without)
            if rate > best_rate:
                best, best_rate = length, rate
        return best

    def _chance(self, held: int) -> float:
        """How likely a match of `held` tokens holds for one more."""
        kind = _kind(held)
        return (_PRIOR[kind] * _PRIOR_WEIGHT + self._agreed[kind]) / (_PRIOR_WEIGHT + self._seen[kind])

    def _append(self, token: int) -> None:
        end = len(self._tokens)
        self._tokens.append(token)
        self._ngram = (self._ngram << 32 | token) & _NGRAM_MASK
        if end < _SHORTEST - 1:
            self._earlier.append(-1)
            return
        self._earlier.append(self._newest.get(self._ngram, -1))
        self._newest[self._ngram] = end

    def _learn(self, token: int) -> None:
        """Follow the match if it holds for `token`, and remember either way."""
        kind = _kind(self._held)
        holds = self._tokens[self._follow] == token
        self._seen[kind] = self._seen[kind] * _MEMORY + 1
        self._agreed[kind] = self._agreed[kind] * _MEMORY + holds
        if holds:
            self._follow += 1
            self._held += 1
        else:
            self._left = self._follow
            self._follow = -1

    def _find(self) -> None:
        """Look for the longest match of the newest tokens; the newest of several."""
        tokens, last = self._tokens, len(self._tokens) - 1
        self._held = 0
        end = self._earlier[last] if last >= 0 else -1
        for _ in range(_CANDIDATES):
            if end < 0:
                break
            length = _SHORTEST
            while length < min(_COMPARED, end + 1) and tokens[end - length] == tokens[last - length]:
                length += 1
            if length > self._held:
                self._follow, self._held = end + 1, length
            end = self._earlier[end]
        if not self._held and self._left >= 0:
            self._find_nearby(last)

    def _find_nearby(self, last: int) -> None:
        """Take up a copy again behind a changed, added or left out word."""
        tokens, middle = self._tokens, self._left
        pair = tokens[last - 1 :]
        for end in range(max(1, middle - _NEARBY), min(middle + _NEARBY, last)):
            if tokens[end - 1 : end + 1] == pair:
                self._follow, self._held = end + 1, 2
                return


def _kind(held: int) -> int:
    """Matches of about the same length hold about equally often."""
    return min(held.bit_length(), len(_PRIOR) - 1)
