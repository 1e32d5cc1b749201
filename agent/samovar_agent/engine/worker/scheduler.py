"""What the next step computes, who may begin, and who has to give way. Decisions only, without a model.

A step is one call of llama.cpp that computes tokens of several sequences. Replies that are being written get their one
token each first, since somebody reads along; the rest of the step goes to prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from samovar_agent.engine.worker.prefix_tree import shared_prefix

MIXED_TOKENS = 256
"""Tokens of a step in which replies are written too: they wait for the whole of it."""
BURST_TOKENS = 768
"""Prompts of so many tokens together are read in whole steps all the same: a token of a whole step takes 5 % less time,
and the replies flow again sooner than if they had crept through twice as many steps."""
SCORED_TOKENS = 32
SCORED_MIXED_TOKENS = 8
"""In one step, of a prompt whose tokens are all looked at, alone and beside replies: to look at one takes 0.8 ms with a
vocabulary of 49,000 tokens, and five times that with the largest."""
WORTH_WAITING = 32
"""A request waits for another that computes the same prefix from so many tokens on."""
WORTH_KEEPING = 200
"""Where memory can be shared at its end only, a place is remembered where prompts part after so many tokens."""
SECONDS_PER_TOKEN = 0.003
"""How long a prompt's token is taken to last where prompts of different lengths are ordered. Only the order of
magnitude matters: how long a short prompt may overtake a long one."""


class Work(NamedTuple):
    """A sequence with tokens to compute.

    - key: whatever tells it apart. - pending: how many tokens; 1 for a reply being written. - due: orders prompts.
    - background: gives way to the others. - most: tokens in one step, where it has to stop somewhere. - scored: each
    of its tokens takes an output.
    """

    key: int
    pending: int
    due: float = 0.0
    background: bool = False
    most: int | None = None
    scored: bool = False


class Share(NamedTuple):
    """What a sequence gets of a step."""

    key: int
    tokens: int


def due(admitted: float, tokens: int) -> float:
    """When a prompt ought to be done, in the clock of `admitted`; prompts are computed in this order.

    Short ones overtake long ones, so that a question does not wait for a book; but each waits at most as long as it
    takes itself, so that a book is read in the end.
    """
    return admitted + tokens * SECONDS_PER_TOKEN


def plan(work: Sequence[Work], *, step_tokens: int, outputs: int) -> list[Share]:
    """The next step: who gets how many tokens of it.

    - step_tokens: that a step can have. - outputs: sequences that can get to their next token in one step; there never
    are more replies being written.
    """
    writing = [one for one in work if one.pending == 1]
    reading = [one for one in work if one.pending > 1]
    shares = [Share(one.key, 1) for one in writing]
    if not reading:
        return shares
    reading.sort(key=lambda one: (one.background, one.due))
    burst = not reading[-1].background and sum(one.pending for one in reading) <= BURST_TOKENS
    limit = min(step_tokens, MIXED_TOKENS) if shares and not burst else step_tokens
    left, ends = limit - len(shares), outputs - len(shares)
    for one in reading:
        tokens = min(one.pending, left, one.most or left)
        if one.scored:
            tokens = min(tokens, ends, SCORED_MIXED_TOKENS if writing else SCORED_TOKENS)
        elif tokens == one.pending and not ends:
            tokens -= 1  # its last token would need an output
        if tokens <= 0:
            break
        ends -= tokens if one.scored else tokens == one.pending
        shares.append(Share(one.key, tokens))
        left -= tokens
    return shares


class Leader(NamedTuple):
    """A running sequence that computes a prefix which another one needs. - until: so many tokens."""

    key: int
    until: int


def leader(tokens: Sequence[int], known: int, running: Iterable[tuple[int, Sequence[int], int]]) -> Leader | None:
    """Whom a prompt should wait for, since that one is about to compute what both begin with; None for nobody.

    - known: tokens of the prompt that are in memory. - running: key, tokens and how many of them are computed.
    """
    best: Leader | None = None
    for key, others, computed in running:
        common = min(shared_prefix(tokens, others), len(tokens) - 1)
        if common > computed and common >= known + WORTH_WAITING and (best is None or common > best.until):
            best = Leader(key, common)
    return best


class Crowd(NamedTuple):
    """Who has so many places that the last ones are kept for others. - background: all of it together."""

    clients: set[str]
    background: bool


def crowded(placed: Collection[tuple[str, bool]], places: int) -> Crowd:
    """Whom the last places are kept from. - placed: of each that has one, its client and whether in the background."""
    most = max(1, places - places // 4)
    counts = Counter(client for client, _ in placed)
    background = sum(background for _, background in placed)
    return Crowd({client for client, count in counts.items() if count >= most}, background >= most)


def to_give_way(running: Sequence[tuple[int, bool, float]]) -> int | None:
    """Who stops where memory ran out and goes on later: background first, then who began last; None for one alone.

    - running: key, whether in the background, and when it was admitted.
    """
    if len(running) < 2:
        return None
    return max(running, key=lambda one: (one[1], one[2]))[0]
