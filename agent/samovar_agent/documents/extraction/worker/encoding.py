"""Bytes as text, whoever wrote them."""

from __future__ import annotations

import codecs
import re

_SAMPLE_BYTES = 65536
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
_CONTROL_SHARE = 0.02
"""Logs and captured terminals hold some; nothing that people read holds more."""
_NUL_SHARE = 0.3
"""Of the halves of UTF-16: even Chinese text has blanks, line ends and digits, whose other half is NUL."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, so it is asked first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARATION = re.compile(rb"(?:charset|coding)\s*[:=]\s*[\"']?([A-Za-z0-9._-]+)")
_DECLARED_BYTES = 1024
_BEYOND_ASCII = bytes(range(128, 256))
_ENOUGH_TO_GUESS = 8
"""Characters beyond ASCII. From fewer nobody can tell, and most files of that kind are western."""
_CANDIDATES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "cp437"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
"""What files in other encodings are really written in; guessing among all of them finds exotic ones in short texts."""

_JAPANESE = ("cp932", "euc_jp")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_KANA_SHARE = 0.2
"""Of the characters beyond ASCII. Every Japanese sentence has more, and no text in another encoding looks like it."""


def is_text(content: bytes) -> bool:
    """Whether these bytes are text in some encoding."""
    if _marked(content) or _wide(content):
        return True
    sample = content[:_SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls <= len(sample) * _CONTROL_SHARE


def decode(content: bytes) -> str:
    """The text; what is no character in its encoding becomes U+FFFD, as NUL does, and line ends become line feeds."""
    text = content.decode(_encoding(content), "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _encoding(content: bytes) -> str:
    if known := _marked(content) or _wide(content):
        return known
    try:
        content.decode()
    except UnicodeDecodeError:
        return "utf-8" if _is_mostly_utf8(content) else _guess(content)
    return "utf-8"


def _marked(content: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "")


def _wide(content: bytes) -> str:
    """UTF-16 without a mark: many NULs, all in the same half."""
    if content.find(0, 0, _SAMPLE_BYTES) < 0:
        return ""
    sample = content[:_SAMPLE_BYTES]
    half = len(sample) // 2
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > half * _NUL_SHARE and even < odd / 10:
        return "utf-16-le"
    if even > half * _NUL_SHARE and odd < even / 10:
        return "utf-16-be"
    return ""


def _is_mostly_utf8(content: bytes) -> bool:
    """One broken character does not make a text another encoding's."""
    sample = content[: 16 * _SAMPLE_BYTES].decode("utf-8", "replace")
    broken = sample.count("\ufffd")
    return len(sample) - sum(map(str.isascii, sample)) > 10 * broken


def _guess(content: bytes) -> str:
    if declared := _declared(content):
        return declared
    if len(content) - len(content.translate(None, _BEYOND_ASCII)) < _ENOUGH_TO_GUESS:
        return "cp1252"
    if japanese := _japanese(content[:_SAMPLE_BYTES]):
        return japanese
    from charset_normalizer import from_bytes

    best = from_bytes(content[:_SAMPLE_BYTES], cp_isolation=_CANDIDATES).best()
    return best.encoding if best is not None else "cp1252"


def _japanese(sample: bytes) -> str:
    """Asked before the guess, which takes short Japanese texts for western or Chinese ones."""
    for encoding in _JAPANESE:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)  # the sample may end inside a character
        except UnicodeDecodeError:
            continue
        if len(_KANA.findall(text)) > _KANA_SHARE * (len(text) - sum(map(str.isascii, text))):
            return encoding
    return ""


def _declared(content: bytes) -> str:
    """What HTML, XML and programs say of themselves in their first lines, where the rest agrees."""
    found = _DECLARATION.search(content[:_DECLARED_BYTES])
    if found is None:
        return ""
    encoding = found[1].decode()
    try:
        content.decode(encoding)
    except (LookupError, ValueError):  # none that Python knows, none of text, or not this one
        return ""
    return encoding
