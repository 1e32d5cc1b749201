"""Whether a reply has come to say the same over and over, as small models do until nobody lets them any more.

goes_round("The tin is dry. " * 8, known=set())         # True

Numbers do not count where they say nothing new: who numbers sources that do not exist, or counts on for ever, goes
round as well. A list with one number of the sources after the other does not.
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
_ANY = "\0"
_WORD = re.compile(r"[^\W\d_]+")


def goes_round(text: str, *, known: Set[float]) -> bool:
    """Whether the end of it is the same several times. - known: the numbers that are in the sources."""
    masked = _NUMBER.sub(_ANY, text)
    for period in _PERIODS:
        length = period * max(_TIMES, -(-_LEAST_CHARACTERS // period))
        if length > len(masked):
            continue
        end = masked[-length:]
        if end[period:] == end[:-period] and len(_WORD.findall(end[:period])) >= _LEAST_WORDS:
            numbers = [float(number) for number in _NUMBER.findall(text)]
            before = len(numbers) - end.count(_ANY)
            return not (known & set(numbers[before:])) - set(numbers[:before])
    return False
