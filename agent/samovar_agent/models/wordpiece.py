"""The vocabulary of a BERT model as it was published, and as llama.cpp wants it.

A piece that goes on inside a word is written `##ing` by its publishers. llama.cpp wants it the other way round: `▁`
before the pieces that begin a word, and nothing before the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from samovar_agent.models.published import broken, decode_published, read_bytes, read_published, unsupported

TokenKind = Literal["normal", "control", "unused"]

_BEGINS_WORD = "▁"
_INSIDE_WORD = "##"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by their numbers, as llama.cpp wants them. - pad, unk, cls, sep, mask: numbers of the markers.

    - strip_accents: None where it follows `lowercase`.
    """

    tokens: list[str]
    kinds: list[TokenKind]
    pad: int
    unk: int
    cls: int
    sep: int
    mask: int
    lowercase: bool
    strip_accents: bool | None


class _Added(msgspec.Struct):
    id: int
    content: str
    special: bool = False


class _Normalizer(msgspec.Struct):
    type: str = "BertNormalizer"
    lowercase: bool = True
    strip_accents: bool | None = None
    handle_chinese_chars: bool = True


class _Kind(msgspec.Struct):
    type: str = ""


class _WordPiece(msgspec.Struct):
    vocab: dict[str, int]
    continuing_subword_prefix: str = _INSIDE_WORD


class _TokenizerFile(msgspec.Struct):
    """`tokenizer.json`."""

    model: msgspec.Raw
    added_tokens: list[_Added] = []
    normalizer: _Normalizer | None = None
    pre_tokenizer: _Kind | None = None


class _Text(msgspec.Struct):
    content: str


class _TokenizerConfig(msgspec.Struct):
    """`tokenizer_config.json`."""

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    pad_token: str | _Text | None = None
    unk_token: str | _Text | None = None
    cls_token: str | _Text | None = None
    sep_token: str | _Text | None = None
    mask_token: str | _Text | None = None


@dataclass(frozen=True, slots=True)
class _Published:
    """- path: of the file that says all this. - numbers: by tokens. - special: tokens that are no text."""

    path: Path
    numbers: dict[str, int]
    special: list[str]
    normalizer: _Normalizer


def read_vocabulary(folder: Path, size: int) -> Vocabulary:
    """The vocabulary from `tokenizer.json`, or from `vocab.txt` where that is not there.

    - folder: has them, and perhaps `tokenizer_config.json`. - size: rows of the model's embeddings; a row without a
    token gets one that is never used.
    Raises `model_file_missing`, `model_file_broken`, or `model_unsupported` for what splits texts in another way.
    """
    path = folder / "tokenizer_config.json"
    config = read_published(path, _TokenizerConfig) if path.exists() else _TokenizerConfig()
    path = folder / "tokenizer.json"
    published = _from_tokenizer(path) if path.exists() else _from_lines(folder / "vocab.txt", config)
    if published.normalizer.type != "BertNormalizer" or not published.normalizer.handle_chinese_chars:
        raise unsupported(published.path, "prepares texts in another way than BERT does")
    markers = {
        "pad": _marker(published, config.pad_token, "[PAD]"),
        "unk": _marker(published, config.unk_token, "[UNK]"),
        "cls": _marker(published, config.cls_token, "[CLS]"),
        "sep": _marker(published, config.sep_token, "[SEP]"),
        "mask": _marker(published, config.mask_token, "[MASK]"),
    }
    control = {*markers.values(), *(published.numbers[token] for token in published.special)}
    tokens: list[str] = []
    kinds: list[TokenKind] = []
    for number, token in enumerate(_in_order(published, size)):
        if number in control and token:
            tokens.append(token)
            kinds.append("control")
        else:
            tokens.append(_as_written(token or f"[PAD{number}]"))
            kinds.append("normal" if token else "unused")
    if len(set(tokens)) != size:  # the engine's own reader would end its process
        raise broken(published.path, "has two tokens that are the same text")
    return Vocabulary(
        tokens,
        kinds,
        lowercase=published.normalizer.lowercase,
        strip_accents=published.normalizer.strip_accents,
        **markers,
    )


def _from_tokenizer(path: Path) -> _Published:
    found = read_published(path, _TokenizerFile)
    if decode_published(found.model, path, _Kind).type not in ("WordPiece", ""):
        raise unsupported(path, "has no WordPiece vocabulary")
    model = decode_published(found.model, path, _WordPiece)
    splitting = found.pre_tokenizer.type if found.pre_tokenizer else ""
    if splitting != "BertPreTokenizer" or model.continuing_subword_prefix != _INSIDE_WORD:
        raise unsupported(path, "splits texts in another way than BERT does")
    numbers = dict(model.vocab)
    for added in found.added_tokens:
        if numbers.setdefault(added.content, added.id) != added.id:
            raise broken(path, f"has two numbers for its token '{added.content[:40]}'")
    special = [added.content for added in found.added_tokens if added.special]
    return _Published(path, numbers, special, found.normalizer or _Normalizer(type="none"))


def _from_lines(path: Path, config: _TokenizerConfig) -> _Published:
    """One token a line; its number is that of the line."""
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken(path, "is no UTF-8 text") from error
    lines = text.removesuffix("\n").split("\n")  # not `splitlines`: tokens may be what that takes for an end of line
    numbers: dict[str, int] = {}
    for number, line in enumerate(lines):
        if numbers.setdefault(line.removesuffix("\r"), number) != number and line.removesuffix("\r"):
            raise broken(path, f"has its token '{line[:40]}' twice")
    normalizer = _Normalizer(
        lowercase=config.do_lower_case,
        strip_accents=config.strip_accents,
        handle_chinese_chars=config.tokenize_chinese_chars,
    )
    return _Published(path, numbers, [], normalizer)


def _in_order(published: _Published, size: int) -> list[str]:
    """Tokens by their numbers; empty where a number has none."""
    tokens = [""] * size
    for token, number in published.numbers.items():
        if not 0 <= number < size:
            raise broken(published.path, f"has a token with the number {number}; the model has {size:,} tokens")
        if tokens[number]:
            raise broken(published.path, f"has two tokens with the number {number}")
        tokens[number] = token
    return tokens


def _marker(published: _Published, named: str | _Text | None, usual: str) -> int:
    name = (named.content if isinstance(named, _Text) else named) or usual
    number = published.numbers.get(name)
    if number is None:
        raise broken(published.path, f"lacks the token '{name[:40]}'")
    return number


def _as_written(token: str) -> str:
    inside = token.startswith(_INSIDE_WORD) and token != _INSIDE_WORD
    return token.removeprefix(_INSIDE_WORD) if inside else _BEGINS_WORD + token
