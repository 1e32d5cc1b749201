"""Whether a reply has come to say the same over and over, as small models do until nobody lets them any more.

goes_round("The tin is dry. " * 6, known=set())         # True

Numbers that are in no source count as the same: who numbers sources that do not exist, or counts on for ever, goes
round as well. A list with numbers of the sources does not.
"""

from __future__ import annotations

import re
from collections.abc import Set

_TIMES = 6
_LEAST_CHARACTERS = 120
"""That go round, all times together."""
_LEAST_WORDS = 3
"""Of what is repeated; a line of dashes is none."""
_PERIODS = range(10, 400)
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+")


def goes_round(text: str, *, known: Set[float]) -> bool:
    """Whether the end of it is the same several times. - known: the numbers that are in the sources."""
    tail = text[-_TIMES * _PERIODS.stop :]
    masked = _NUMBER.sub(lambda match: match[0] if float(match[0]) in known else "#", tail)
    for period in _PERIODS:
        again = max(_TIMES, -(-_LEAST_CHARACTERS // period))
        if period * again > len(masked):
            if period >= _LEAST_CHARACTERS // _TIMES:
                return False
            continue
        end = masked[-period * again :]
        if end[period:] == end[:-period] and len(_WORD.findall(end[:period])) >= _LEAST_WORDS:
            return True
    return False
