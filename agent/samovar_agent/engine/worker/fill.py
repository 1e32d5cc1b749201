"""Prompts that have a model fill in the middle of a text: what is before it, what is after it, and what else to know.

Only the model's own markers divide a prompt: where somebody's text has one in it, it is text like any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from samovar_agent.engine.interface import Generation, SourceFile
from samovar_agent.engine.worker.markers import Markers
from samovar_protocol import FailureCode, SamovarError

F = TypeVar("F")
_PROJECT = "project"
_THIS_FILE = "file"
"""Nobody says what the project and the file are called; models expect a name there."""
_REPLY_SHARE = 4
"""A prompt that may be shortened leaves at most one part in so many of the context to the reply."""
_SUFFIX_SHARE = 4
"""Where there is too little room, what is after the middle gets one part in so many."""
_LOOKED_AT = 32
"""Characters for each token of the context that are looked at where a prompt may be shortened; a token has about 4."""


class FillTokens(NamedTuple):
    """A model's markers for filling in. - repository, separator: before a project's and a file's name, where known.

    - others: that end a reply too.
    """

    prefix: int
    suffix: int
    middle: int
    repository: int | None = None
    separator: int | None = None
    others: tuple[int, ...] = ()

    @property
    def all(self) -> frozenset[int]:
        """Those that a reply never holds."""
        optional = (token for token in (self.repository, self.separator) if token is not None)
        return frozenset({self.prefix, self.suffix, self.middle, *optional, *self.others})


class FillVocabulary(Protocol):
    """The part of `Model` that knows tokens, and those for filling in."""

    @property
    def fill_tokens(self) -> FillTokens | None:
        """The markers; None where the model has none."""

    def tokenize(self, text: str, *, special: bool, bos: bool = False) -> list[int]:
        """The tokens of a text."""

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """A token's bytes."""


def fill_tokens(model: FillVocabulary) -> FillTokens:
    """The markers; raises `model_unsupported` where the model has none."""
    tokens = model.fill_tokens
    if tokens is None:
        raise SamovarError(
            FailureCode.MODEL_UNSUPPORTED,
            "This model cannot fill in the middle of a text: it has no tokens for that.",
            hint="Choose a model for code that can, or send no suffix.",
            details={"param": "suffix"},
        )
    return tokens


def fill_prompt(model: FillVocabulary, generation: Generation, context_length: int | None) -> list[int]:
    """The prompt; raises `model_unsupported`, and `bad_request` where what is before the middle is not a text.

    - context_length: tokens that there is room for, where the prompt may be shortened.
    """
    tokens, infill = fill_tokens(model), generation.infill
    before, after = generation.prompt or "", generation.suffix or ""
    if not isinstance(before, str):
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            "With a suffix, the prompt must be a text.",
            hint="Send the text, not its tokens.",
            details={"param": "prompt"},
        )
    text = _Text(model, tokens)
    begin = model.tokenize("", special=False, bos=True)
    sources: Sequence[SourceFile] = infill.files
    if infill.shorten and context_length is not None:
        near = _LOOKED_AT * context_length
        before, after = before[-near:], after[:near]
        sources = _newest(sources, near, lambda file: len(file.text))
    prefix, suffix, begun = text.tokens(before), text.tokens(after), text.tokens(infill.begun)
    files = [text.file(file.name, file.text) for file in sources]
    if infill.shorten and context_length is not None:
        room = context_length - _for_reply(generation, context_length)
        room -= len(begin) + len(begun) + len(text.project()) + len(text.this_file()) + 3
        suffix = suffix[: max(0, room // _SUFFIX_SHARE, room - len(prefix))]
        prefix = _end(prefix, room - len(suffix))
        files = _newest(files, room - len(suffix) - len(prefix), len)
    known = [*text.project(), *(token for file in files for token in file), *text.this_file()] if files else []
    return [*begin, *known, tokens.prefix, *prefix, tokens.suffix, *suffix, tokens.middle, *begun]


class _Text:
    """Texts of people as tokens, without any marker."""

    def __init__(self, model: FillVocabulary, tokens: FillTokens) -> None:
        self._model, self._tokens = model, tokens
        self._markers = Markers(model.piece(token, special=True).decode("utf-8", "replace") for token in tokens.all)

    def tokens(self, text: str) -> list[int]:
        # Special tokens are not looked for, except those that a model's file declares wrongly: they are cut in two.
        cuts = [0, *(start + 1 for start in self._markers.starts(text)), len(text)]
        parts = [text[a:b] for a, b in itertools.pairwise(cuts) if a < b]
        return [token for part in parts for token in self._model.tokenize(part, special=False)]

    def project(self) -> list[int]:
        repository = self._tokens.repository
        return [] if repository is None else [repository, *self.tokens(f"{_PROJECT}\n")]

    def file(self, name: str, text: str) -> list[int]:
        separator = self._tokens.separator
        if separator is None:
            return self.tokens(f"{name}\n{text}\n\n")
        return [separator, *self.tokens(f"{name}\n"), *self.tokens(f"{text}\n")]

    def this_file(self) -> list[int]:
        separator = self._tokens.separator
        return [] if separator is None else [separator, *self.tokens(f"{_THIS_FILE}\n")]


def _for_reply(generation: Generation, context_length: int) -> int:
    most = context_length // _REPLY_SHARE
    wanted = generation.sampling.max_tokens
    return most if wanted is None else min(wanted, most)


def _end(tokens: list[int], room: int) -> list[int]:
    return tokens[max(0, len(tokens) - max(0, room)) :]


def _newest(files: Sequence[F], room: int, size: Callable[[F], int]) -> list[F]:
    """The last of them that have room together, in their order."""
    first = len(files)
    while first and size(files[first - 1]) <= room:
        first -= 1
        room -= size(files[first])
    return list(files[first:])
