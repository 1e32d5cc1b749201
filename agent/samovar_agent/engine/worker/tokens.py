"""A vocabulary's special tokens, and the tokens of prompts that repeat most of what was there before.

llama.cpp looks for special tokens first and tokenises what is between two of them on its own. So a prompt may be cut
before a special token, and a conversation, most of which was tokenised for its last turn, is put together from pieces
that are known: the tokens are the same, and a long one takes a tenth of the time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from samovar_agent.engine.worker.markers import Markers
from samovar_agent.engine.worker.model import Model

MAX_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Special:
    """A token that is looked for in texts before anything else.

    - hidden: it is a marker, without a text for people. - eats_left: takes the white space before it.
    """

    text: str
    hidden: bool
    eats_left: bool


def special_tokens(model: Model) -> list[Special]:
    """All of them. Takes 30 ms for 50,000 tokens."""
    llama, vocabulary, kind_of = model.llama, model.vocabulary, model.llama.llama_vocab_get_attr
    hidden = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN
    wanted = hidden | llama.LLAMA_TOKEN_ATTR_USER_DEFINED
    found: list[Special] = []
    for token in range(model.vocabulary_size):
        kind = kind_of(vocabulary, token)
        if kind & wanted:
            text = model.piece(token, special=True).decode("utf-8", "replace")
            found.append(Special(text, bool(kind & hidden), bool(kind & llama.LLAMA_TOKEN_ATTR_LSTRIP)))
    return found


def markers_of(specials: Sequence[Special], template: str) -> Markers:
    """What nobody may type: the hidden ones, and those of the others that the template itself marks something with.

    Among the others are runs of spaces and HTML tags, which people may well type.
    """
    return Markers(one.text for one in specials if one.hidden or (one.text in template and not one.text.isspace()))


def seams_of(specials: Sequence[Special]) -> Markers:
    """Those before which a text may be cut: no other special token can lie across that place."""
    seams = [one.text for one in specials if one.hidden and not one.eats_left and len(one.text) > 1]
    firsts = {text[0] for text in seams}
    inside = {letter for one in specials for letter in one.text[1:]}
    return Markers(text for text in seams if text[0] in firsts - inside)


class KnownTokens:
    """The tokens of the newest pieces of prompts. May be used by several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, bool], list[int]] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def of(self, text: str, tokenize: Callable[[str], list[int]], *, first: bool = False) -> list[int]:
        """The tokens of one piece. - tokenize: makes them where they are not known. - first: the prompt begins so."""
        key = text, first
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        tokens = tokenize(text)
        with self._lock:
            if key not in self._known:
                self._known[key] = tokens
                self._characters += len(text)
            while self._characters > MAX_CHARACTERS:
                (oldest, _), _ = self._known.popitem(last=False)
                self._characters -= len(oldest)
        return tokens
