"""Finds words again in a text that has them with other spaces, line breaks, quotation marks or hyphens.

Searchable("The trial cost\\n1.5 million.").find("trial cost 1.5 million")      # (4, 29)
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator

Span = tuple[int, int]

_ELLIPSIS = re.compile(r"\[?(?:\.\s?){3,}\]?|\[?…\]?")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])[\"”’»)\]]*\s+|(?<=[。！？])|\n\s*\n")
_LINE_ENDS = re.compile(rf"{_SENTENCE_ENDS.pattern}|\n")
_HEADING = re.compile(r"#{1,6} [^\n]*\n\s*")
_WORD = re.compile(r"\w+")
_LONG_SENTENCE = 300
"""Characters; what is longer is most often a table or a list, and its lines are looked at one by one."""
_STEM = 6
"""Words count as the same when they begin with the same letters, so that endings do not matter."""
_LEAST_SHARE = 0.35
"""So much of a statement's words, by length, must be in a sentence for it to be what the statement stands on."""
_LEAST_WORDS = 2
_SAME_SHARE = 0.7
_SAME_WORDS = 3
_NUMBER = re.compile(r"\d[\d.,:]*")
_DENIAL = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|nowhere|nor|neither|cannot|without|nicht|nichts|niemand|kein\w*|nie|niemals"
    r"|ohne|pas|jamais|aucune?|personne|rien|sans|nunca|nada|nadie|sin)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
"""In languages that we can tell; in others two sentences with the same words count as saying the same."""


class Searchable:
    """A text in which quotes are looked for by what matters: letters, digits, symbols, and points within numbers."""

    def __init__(self, text: str) -> None:
        self._letters, self._places = _essence(text)

    def find(self, quote: str) -> Span | None:
        """Where the quote stands, in whole words and numbers; None where it does not. For `…` there may be anything."""
        first = last = -1
        at = 0
        for piece in _ELLIPSIS.split(quote):
            letters, _ = _essence(piece)
            if not letters:
                continue
            found = self._find(letters, at)
            if found < 0:
                return None
            at = found + len(letters)
            first = self._places[found] if first < 0 else first
            last = self._places[at - 1]
        return None if first < 0 else (first, last + 1)

    def _find(self, letters: str, at: int) -> int:
        found = self._letters.find(letters, at)
        while found >= 0 and (self._cuts(found) or self._cuts(found + len(letters))):
            found = self._letters.find(letters, found + 1)
        return found

    def _cuts(self, at: int) -> bool:
        """Whether a word or a number goes on there: `legal` is not in `illegal`, `5 million` not in `1.5 million`."""
        if not 0 < at < len(self._letters) or self._places[at] - self._places[at - 1] > 1:
            return False
        before, after = self._letters[at - 1], self._letters[at]
        if before in ".,:/-":
            return True
        return _is_spaced(before) and (_is_spaced(after) or after in ".,:/")


def sentences(text: str, *, lines: bool = False) -> list[Span]:
    """Where sentences stand, in order, without the spaces around them. - lines: a line break ends one too."""
    spans: list[Span] = []
    start = 0
    for gap in (_LINE_ENDS if lines else _SENTENCE_ENDS).finditer(text):
        spans.append((start, gap.end()))
        start = gap.end()
    spans.append((start, len(text)))
    return [span for span in (_trimmed(text, *span) for span in spans) if span[0] < span[1]]


def sentences_around(spans: list[Span], place: int) -> tuple[Span | None, Span | None]:
    """The sentence that begins before `place`, which may be in it, and the one after."""
    number = bisect_left(spans, (place, 0))
    return spans[number - 1] if number else None, spans[number] if number < len(spans) else None


def best_sentence(
    text: str, statement: str, *, least_share: float = _LEAST_SHARE, least_words: int = _LEAST_WORDS
) -> Span | None:
    """The sentence of `text` that has most of a statement's words; None where none has enough of them.

    - least_share: so much of the words, by length. - least_words: so many different ones.
    """
    wanted = _words(statement)
    total = sum(wanted.values())
    best: tuple[float, Span] | None = None
    for span in _short_sentences(text):
        shared = wanted.keys() & _words(text[slice(*span)]).keys()
        share = sum(wanted[word] for word in shared) / total if total else 0.0
        if len(shared) >= least_words and share >= least_share and (best is None or share > best[0]):
            best = (share, span)
    return best[1] if best else None


def same_sentence(text: str, statement: str) -> Span | None:
    """The sentence of `text` that says what a statement says, so far as words tell; None where none does.

    Nearly all of its words must be there and each of its numbers, and it must not be that one of both says "not".
    """
    span = best_sentence(text, statement, least_share=_SAME_SHARE, least_words=_SAME_WORDS)
    if span is None:
        return None
    sentence = text[slice(*span)]
    if not _numbers(statement) <= _numbers(sentence) or _denies(statement) != _denies(sentence):
        return None
    return span


def _numbers(text: str) -> set[str]:
    return {number.rstrip(".,:") for number in _NUMBER.findall(text)}


def _denies(text: str) -> bool:
    return _DENIAL.search(text) is not None


def _short_sentences(text: str) -> Iterator[Span]:
    for start, end in sentences(text):
        # A heading is no part of the sentence below it, though there need not be an empty line between them.
        while (heading := _HEADING.match(text, start, end)) and heading.end() < end:
            start = heading.end()
        if end - start <= _LONG_SENTENCE:
            yield start, end
        else:
            yield from ((start + left, start + right) for left, right in sentences(text[start:end], lines=True))


def _is_spaced(letter: str) -> bool:
    """Whether it belongs to a script that puts spaces between words."""
    return letter.isalnum() and letter < "\u2e80"


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _words(text: str) -> dict[str, int]:
    """Beginnings of words with their weights: long words say more. Scripts without spaces count by letters."""
    found: dict[str, int] = {}
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if not all(_is_spaced(letter) for letter in word):
            found.update(dict.fromkeys(word, 2))
        elif len(word) > 2 or word.isdigit():
            found[word[:_STEM]] = min(len(word), 8)
    return found


def _essence(text: str) -> tuple[str, list[int]]:
    """What is compared, and where each of its characters stands in the text."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character.isspace():
            continue
        if character.isalnum():
            plain = character.lower() if character.isascii() else _folded(character)
        elif _says_something(text, place, character):
            plain = "-" if character in "−–" else character
        else:
            continue
        letters.append(plain)
        places += [place] * len(plain)
    return "".join(letters), places


def _folded(character: str) -> str:
    """Without accents, since some programs write them as characters of their own."""
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(part for part in plain if not unicodedata.combining(part))


def _says_something(text: str, place: int, character: str) -> bool:
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if character in ".,:/":
        return before.isdigit() and after.isdigit()
    if character in "-−–":  # a minus; a hyphen may be the line's
        return after.isdigit() and not before.isalnum()
    if character.isascii():
        return character in "%$+<=>"
    return unicodedata.category(character) in ("Sm", "Sc")
