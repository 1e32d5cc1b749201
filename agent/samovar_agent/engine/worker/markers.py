"""Special markers such as `<|im_start|>` that people type: they stay text and never become the model's own tokens.

A template gives one text, and no one can tell afterwards which of its markers the template wrote. So a marker in what
comes from people is broken before it is rendered: a number that nobody can guess goes behind its first character, and
where that number stands in the rendered text, the text is cut, and each part is tokenised on its own. Digits come
through everything that templates do with a text (trim, JSON, upper case), and texts without markers, nearly all, are
given to the template as they are.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterable
from typing import Any

from samovar_protocol import FailureCode, SamovarError

_DIGITS = 24
_MAX_DEPTH = 200
"""Of objects and lists inside one another; templates, and Python itself, give up soon behind it."""


class Markers:
    """The texts of a model's special tokens."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = frozenset(text for text in texts if len(text) > 1)
        sizes: dict[str, set[int]] = {}
        for text in self._texts:
            sizes.setdefault(text[:2], set()).add(len(text))
        # By their first two characters, since a vocabulary may have thousands of them.
        self._sizes = {head: tuple(sorted(lengths)) for head, lengths in sizes.items()}
        firsts = "".join(re.escape(first) for first in sorted({head[0] for head in sizes}))
        self._firsts = re.compile(f"[{firsts}]") if firsts else None

    def starts(self, text: str) -> list[int]:
        """Where markers begin, also inside of one another."""
        places = [match.start() for match in self._firsts.finditer(text)] if self._firsts else []
        return [at for at in places if self._is_marker(text, at)]

    def _is_marker(self, text: str, at: int) -> bool:
        return any(text[at : at + size] in self._texts for size in self._sizes.get(text[at : at + 2], ()))


class Breaker:
    """Breaks the markers of one conversation, and cuts its rendered text.

    - seams: markers before which a text may be cut too, as its tokens are the same then; see `tokens`.
    """

    def __init__(self, markers: Markers, seams: Markers | None = None) -> None:
        self._markers, self._seams = markers, seams
        self._number = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
        self._used = False

    def text(self, text: str) -> str:
        """`text`, with the number behind the first character of every marker."""
        starts = self._markers.starts(text)
        if not starts:
            return text
        self._used = True
        cuts = [0, *(start + 1 for start in starts), len(text)]
        return self._number.join(text[a:b] for a, b in itertools.pairwise(cuts))

    def value(self, value: Any, depth: int = 0) -> Any:
        """The same for all texts in a JSON value, names included. Raises `bad_request` where that is too deep."""
        if isinstance(value, str):
            return self.text(value)
        if depth > _MAX_DEPTH:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"Tools, calls or template arguments hold more than {_MAX_DEPTH} values inside one another.",
                hint="Make them flatter.",
            )
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(one, depth + 1) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one, depth + 1) for one in value]
        return value

    def parts(self, rendered: str) -> list[str]:
        """The rendered text, cut inside of every marker that people typed and before every seam."""
        parts = rendered.split(self._number) if self._used else [rendered]
        return [piece for part in parts for piece in self._cut(part)] if self._seams else parts

    def _cut(self, part: str) -> list[str]:
        starts = self._seams.starts(part) if self._seams else []
        cuts = [0, *(start for start in starts if start), len(part)]
        return [part[a:b] for a, b in itertools.pairwise(cuts)]
