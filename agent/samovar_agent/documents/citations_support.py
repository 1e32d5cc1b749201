"""Whether a reply that cites nothing can be from the sources at all, or is the model's own.

    support = Support(given, "What is the capital of Peru?")
    support.is_found("Lima is its capital.")        # False; more of the reply may change that
    support.is_missing("Lima is its capital.")      # True: the sources know nothing of what it adds to the question

Words cannot show that a reply is right. They do show that it cannot be from here, which is what people must know first.
A right answer that is kept back harms more than one of the model's own that is shown with the remark that nothing shows
where it is from. So only what surely is not from here is missing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set
from functools import cached_property

from samovar_agent.documents.answering_sources import Given
from samovar_agent.documents.citations_numbers import MAGNITUDE_WORDS, NUMBER_WORDS, follows, numbers
from samovar_agent.store.stop_words import BY_LANGUAGE, STOP_WORDS

_WORD = re.compile(r"[^\W_]+")
_STEM = 6
"""Words count as the same when they begin with the same letters, so that endings do not matter."""
_SHORT_STEM = 4
"""Of words that are looked for before a reply is kept back: "written" is "writing", too."""
_UNSPACED = "\u2e80"
"""From here on are the scripts that put no spaces between words; two letters are looked for instead of a word."""
_ANSWERS = "yes no true false correct right ja nein richtig falsch oui non vrai faux sí si não sim nope yep"
"""What answers a question and is in no document for that."""
_LEAST_FOUND = 2
_FOUND_SHARE = 0.5
_MISSING_SHARE = 0.3
_MISSING_SHARE_OF_FACTS = 0.5
"""Of a reply with names or numbers."""
_FEW_NUMBERS = 15
_TOPIC_SHARE = 0.5
"""Of the question's words that are in sources which are about it."""
_BRIEF = 3
"""New words of a reply that may be another way to say what a source says, whatever that is about."""
_LONG = 4
"""More new words than this, of which none is in sources that are about the question, are the model's own."""
_ASKING = "much many long old often big high far hot tell give list name kind kinds lange viel viele nenne combien"
_BARE = frozenset(word[:_STEM] for word in _ANSWERS.split())
_EMPTY = STOP_WORDS | _BARE
_NO_TOPIC = _EMPTY | frozenset(_ASKING.split())
_NAME = re.compile(r"(?<![^\W_])[^\W\d_a-zß-öø-ÿ][^\W_]+")
_SENTENCE_BEGINS = re.compile(r"(?:\A|[.!?:\n])[\s\"“„«*-]*\Z")
_GERMAN = 1
"""Where every noun looks like a name; its place in `BY_LANGUAGE`."""


class Support:
    """- asked: the question, and what was said before it; a reply repeats these whether or not it knows anything."""

    def __init__(self, given: Given, asked: str) -> None:
        passages = [source.passage for source in given.sources]
        texts = [text for passage in passages for text in (passage.text, passage.name, *passage.headings)]
        self._sources = frozenset(word for text in texts for word in _words(text))
        self._asked = frozenset(_words(asked))
        self._question = asked
        self._texts = texts

    @cached_property
    def numbers(self) -> Set[float]:
        """That are in the sources or the question."""
        return {number for text in (*self._texts, self._question) for number in numbers(_plain(text))}

    def is_found(self, reply: str) -> bool:
        """Whether so much of what it says beyond the question is in the sources that it may be shown."""
        new = self._new(reply)
        found = new & self._sources
        return len(found) >= _LEAST_FOUND and len(found) >= _FOUND_SHARE * len(new)

    def is_missing(self, reply: str) -> bool:
        """Whether a whole reply says something that cannot be from the sources.

        In doubt it is not, as where they seem to be in another language: what is not in them then says nothing.
        """
        words = {word for word in self._new(reply) if not _is_number(word)}
        known = {number for text in self._texts for number in numbers(_plain(text))}
        asked = numbers(_plain(self._question))
        new = numbers(_plain(reply)) - asked
        if not (words or new) or not self._is_in_their_language(reply):
            return False
        there = _short(self._sources)
        names = self._names(reply, at_first=False)
        found = sum(word in self._sources or (word not in names and word[:_SHORT_STEM] in there) for word in words)
        found += len(new & known)
        is_about_it = self._is_about_it(there)
        if found:
            share = _MISSING_SHARE_OF_FACTS if names or new else _MISSING_SHARE
            return not is_about_it and found < share * (len(words) + len(new))
        near = known | asked if len(known) <= _FEW_NUMBERS else asked  # of many, any number follows from some
        reckoned = all(follows(number, near) for number in new)
        if is_about_it:
            return len(words) > _LONG or bool(names)
        brief = len(words) <= _BRIEF and reckoned
        return not (brief and (new or not self._names(reply, at_first=True)))

    def _new(self, reply: str) -> set[str]:
        return {word for word in _words(reply) if len(word) > 1 and word not in _EMPTY} - self._asked

    def _is_in_their_language(self, reply: str) -> bool:
        return bool(_languages(self._sources) & _languages(self._asked | _words(reply)))

    def _is_about_it(self, there: Set[str]) -> bool:
        """Whether the sources have most words of the question, and all names in it."""
        topic = {word for word in self._asked if word not in _NO_TOPIC and not _is_number(word)}
        found = {word for word in topic if word[:_SHORT_STEM] in there}
        if _GERMAN not in _languages(self._asked):
            names = {word for name in _names(self._question) for word in _words(name)}
            if (names & topic) - found:
                return False
        return bool(found) and len(found) >= _TOPIC_SHARE * len(topic)

    def _names(self, reply: str, *, at_first: bool) -> set[str]:
        """What it has of names that the question has not. - at_first: also what begins a sentence may be one."""
        if not at_first and _GERMAN in _languages(_words(reply)):
            return set()
        return self._new(reply) & {word for name in _names(reply, at_first=at_first) for word in _words(name)}


def _names(text: str, *, at_first: bool = False) -> list[str]:
    """Words with a capital letter. - at_first: also those that begin a sentence."""
    return [
        match[0]
        for match in _NAME.finditer(text)
        if match[0][0].isupper() and (at_first or not _SENTENCE_BEGINS.search(text, 0, match.start()))
    ]


def _is_number(word: str) -> bool:
    return word[0].isdigit() or word in _NUMBERS


def _short(words: Set[str]) -> set[str]:
    return {word[:_SHORT_STEM] for word in words - STOP_WORDS}


_NUMBERS = frozenset(word[:_STEM] for word in (*NUMBER_WORDS, *MAGNITUDE_WORDS))


def _languages(words: Set[str]) -> set[int]:
    """Which these words seem to be of, by number; none where nothing tells."""
    counts = [len(words & of_language) for of_language in BY_LANGUAGE]
    return {number for number, count in enumerate(counts) if count and count == max(counts)}


def _words(text: str) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(_plain(text)):
        if any(letter >= _UNSPACED for letter in word):
            found.update(word[at : at + 2] for at in range(max(1, len(word) - 1)))
        else:
            found.add(word if word in STOP_WORDS else word[:_STEM])
    return found


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
