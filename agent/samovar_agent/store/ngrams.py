"""Texts of scripts without spaces as words that FTS5 can find: pieces of some letters each, one beginning at each.

    pieces("東京都庁へ")                # "東京 京都 都庁 庁へ へ"
    query_pieces("東京都")              # ["東京", "京都"]
    query_pieces("茶")                  # ["茶*"]: what begins like this

FTS5 takes all that stands between two spaces for a word, so a word in the middle of a sentence would never be found.
Marks, the vowels of many scripts, are no letters to it and would end a word; they become letters of nobody else's.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Iterator

_FIRST_GRAMS = "\u0e00"
"""From Devanagari up to here words have spaces between them, and only their marks are in the way."""
_FIRST_IDEOGRAPHS = "\u1800"
"""Up to here are scripts of letters (Thai, Lao, Burmese, Khmer), from here on those of syllables and words."""
_LETTERS = 3
_IDEOGRAPHS = 2
"""In a piece: two of them mean as much as a word does, and so do three letters, nearly."""

_TO_LETTERS = 0xE000 - 0x0900
"""Between a mark and the letter of the private area that stands for it."""
_MARKS = {
    code: code + _TO_LETTERS
    for code in range(0x0900, 0x1800)
    if unicodedata.category(chr(code)).startswith("M") and not 0x1100 <= code < 0x1780
}

_INDIC = r"\u0900-\u0963\u0971-\u0de5\u0df2-\u0df3"
_UNSPACED_LETTERS = (
    r"\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u17dc-\u17dd"
)
_UNSPACED = (
    r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_INDIC}]+|[{_UNSPACED_LETTERS}]+|[{_UNSPACED}]+")
_CONCERNED = re.compile(
    r"[\u0900-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\ud7a3\uf900-\ufaff\uff10-\uffdc\U00020000-\U0003ffff]"
)
_ELSEWHERE = bytes(range(0xE0)) + b"\xe2"
"""Bytes of UTF-8 that characters below U+0800, and the punctuation and symbols from U+2000 on, consist of."""


def is_concerned(text: str) -> bool:
    """Whether a text has something of these scripts. Quick for all others, since it is asked of every text."""
    if text.isascii():
        return False
    # In Latin text with its accents and quotation marks nothing is left, several times faster than a pattern sees that.
    return bool(text.encode("utf-8", "surrogatepass").translate(None, _ELSEWHERE)) and bool(_CONCERNED.search(text))


def pieces(text: str) -> str:
    """The text with all runs of these scripts in pieces; what is neither keeps its place. For an index only."""
    return _RUN.sub(lambda run: f" {' '.join(_pieces(run[0]))} ", unicodedata.normalize("NFKC", text))


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in parts, and of each whether it is a run of these scripts."""
    at = 0
    composed = unicodedata.normalize("NFKC", text)
    for run in _RUN.finditer(composed):
        yield composed[at : run.start()], False
        yield run[0], True
        at = run.end()
    yield composed[at:], False


def query_pieces(run: str) -> list[str]:
    """The words by which texts are found that have a run, or much of it; * ends what other letters may follow."""
    size, letters = _size(run), run.translate(_MARKS)
    if not size:
        return [letters]
    if len(letters) < size:
        return [f"{letters}*"]
    return [letters[at : at + size] for at in range(len(letters) - size + 1)]


def _pieces(run: str) -> list[str]:
    size = _size(run)
    if size == _IDEOGRAPHS:
        return [*map(operator.add, run, run[1:]), run[-1]]
    letters = run.translate(_MARKS)
    return [letters[at : at + size] for at in range(len(letters))] if size else [letters]


def _size(run: str) -> int:
    """Letters of a piece; 0 for whole words."""
    if run[0] < _FIRST_GRAMS:
        return 0
    return _LETTERS if run[0] < _FIRST_IDEOGRAPHS else _IDEOGRAPHS
