"""Whether a reply that cites nothing has at least its words from the sources, or is the model's own.

    support = Support(given, "What is the capital of Peru?")
    support.is_found("Lima is its capital.")        # False; more of the reply may change that
    support.is_missing("Lima is its capital.")      # True: the sources know nothing of what it adds to the question

Words cannot show that a reply is right. They do show that it cannot be from here, which is what people must know first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set

from samovar_agent.documents.answering_sources import Given
from samovar_agent.store.stop_words import BY_LANGUAGE, STOP_WORDS

_WORD = re.compile(r"[^\W_]+")
_STEM = 6
"""Words count as the same when they begin with the same letters, so that endings do not matter."""
_UNSPACED = "\u2e80"
"""From here on are the scripts that put no spaces between words; two letters are looked for instead of a word."""
_ANSWERS = "yes no true false correct right ja nein richtig falsch oui non vrai faux sí si não sim"
"""What answers a question and is in no document for that."""
_LEAST_FOUND = 2
_FOUND_SHARE = 0.5
_MISSING_SHARE = 0.3
_BARE = frozenset(word[:_STEM] for word in _ANSWERS.split())


class Support:
    """- asked: the question, and what was said before it; a reply repeats these whether or not it knows anything."""

    def __init__(self, given: Given, asked: str) -> None:
        passages = [source.passage for source in given.sources]
        texts = [text for passage in passages for text in (passage.text, passage.name, *passage.headings)]
        self._sources = frozenset(word for text in texts for word in _words(text))
        self._asked = frozenset(_words(asked))

    def is_found(self, reply: str) -> bool:
        """Whether so much of what it says beyond the question is in the sources that it may be shown."""
        new = self._new(reply)
        found = new & self._sources
        return len(found) >= _LEAST_FOUND and len(found) >= _FOUND_SHARE * len(new)

    def is_missing(self, reply: str) -> bool:
        """Whether a whole reply says something and the sources have next to nothing of it.

        In doubt it is not, as where they seem to be in another language: what is not in them then says nothing.
        """
        new = {word for word in self._new(reply) if not word.isdigit()}  # numbers may well be computed
        if not new or len(new & self._sources) > _MISSING_SHARE * len(new):
            return False
        return bool(_languages(self._sources) & _languages(self._asked | _words(reply)))

    def _new(self, reply: str) -> set[str]:
        return {word for word in _words(reply) if word not in STOP_WORDS and word not in _BARE} - self._asked


def _languages(words: Set[str]) -> set[int]:
    """Which these words seem to be of, by number; none where nothing tells."""
    counts = [len(words & of_language) for of_language in BY_LANGUAGE]
    return {number for number, count in enumerate(counts) if count and count == max(counts)}


def _words(text: str) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if any(letter >= _UNSPACED for letter in word):
            found.update(word[at : at + 2] for at in range(max(1, len(word) - 1)))
        else:
            found.add(word if word in STOP_WORDS else word[:_STEM])
    return found
