"""A reply from documents as it comes: shown from the moment on in which something of it can be from its sources.

    stream = AnswerStream(given, question)
    for piece in stream.take(piece): ...            # what may be shown now
    whole = stream.end(text)                        # what the reply is, and what of it was not shown yet

A model that knows no answer from its sources makes one up, the small ones most of all, and what was shown cannot be
taken back. So the first words wait until one of them cites a source or has its words from there; that is after a few
words where the sources hold the answer. What never gets there is not shown at all, nor waited for to its end; the same
goes for what begins to go round.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from samovar_agent.documents.answering_loops import goes_round
from samovar_agent.documents.answering_sources import Given
from samovar_agent.documents.citations import NOT_FOUND, Checked, check, names_a_source, says_not_found
from samovar_agent.documents.citations_support import Support
from samovar_protocol.values import Message, Text

_MARK = re.compile(r"\s*</?source(?: \d*)?\Z")
"""What is left of a source's mark, where the rest of it ended the reply; see `AnswerStream.stop`."""
_MARK_BEGINS = re.compile(r"<(?:/?(?:s(?:o(?:u(?:r(?:c(?:e(?: \d*)?)?)?)?)?)?)?)?\Z")


_LOOK_EVERY = 32
"""Tokens, between two looks at whether it is worth going on."""
_PATIENCE = 256
"""Tokens that may come without a word of the sources, where an answer from them takes few."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply.

    - text: what of it is shown, or that the documents do not tell. - pieces: what was not shown of that yet.
    - withheld: what the model wrote instead, where nothing of that is in the sources.
    """

    text: str
    checked: Checked
    pieces: list[Text]
    withheld: str = ""


class AnswerStream:
    """One reply to `question` from what is `given`. - history: earlier turns, whose words it may say again."""

    def __init__(self, given: Given, question: str, history: Sequence[Message] = ()) -> None:
        self._given, self._question = given, question
        self._support = Support(given, "\n".join([question, *(turn.content for turn in history)]))
        self._held: list[Text] = []
        self._came = ""
        self.has_begun = False
        """Something of it may be shown."""
        self.tokens = 0
        """That came."""
        self.goes_round = False
        """It repeats itself."""
        self.is_over = False
        """Nothing of what else comes will be of use."""

    @property
    def came(self) -> str:
        """All of it so far, shown or not."""
        return self._came

    @property
    def stop(self) -> str:
        """Ends the reply where the model goes on writing sources, as small ones do instead of answering."""
        return f" {self._given.code}>"

    def take(self, piece: Text) -> list[Text]:
        """What may be shown, now that this came."""
        self._held.append(piece)
        self._came += piece.text
        looked, self.tokens = self.tokens, self.tokens + piece.tokens
        if not self.has_begun:
            self.has_begun = self._is_worth_showing()
        if looked // _LOOK_EVERY < self.tokens // _LOOK_EVERY:
            self.goes_round = goes_round(self._came, known=self._support.numbers)
            waits_in_vain = not self.has_begun and self.tokens >= _PATIENCE and self._support.is_missing(self._came)
            self.is_over = self.goes_round or waits_in_vain
        if not self.has_begun or _MARK_BEGINS.search(self._came):
            return []
        held, self._held = self._held, []
        return held

    def end(self, text: str) -> Answer:
        """What became of it. - text: all of the reply."""
        text = _MARK.sub("", text)
        checked = check(text, self._given, question=self._question)
        if not self.has_begun and (not text.strip() or self._is_invented(text, checked)):
            nothing = Checked(outcome="not_found", citations=[], unknown=[], misquotes=[])
            pieces = [Text(text=NOT_FOUND, tokens=0)]
            return Answer(text=NOT_FOUND, checked=nothing, pieces=pieces, withheld=text.strip())
        return Answer(text=text, checked=checked, pieces=_up_to_mark(self._held))

    def _is_worth_showing(self) -> bool:
        """Asked for each piece, so without looking through the sources as `check` does."""
        came = self._came
        return names_a_source(came, self._given) or says_not_found(came) or self._support.is_found(came)

    def _is_invented(self, text: str, checked: Checked) -> bool:
        return checked.outcome == "uncited" and self._support.is_missing(text)


def _up_to_mark(held: list[Text]) -> list[Text]:
    """What waited, without the mark that it ends with."""
    whole = "".join(piece.text for piece in held)
    kept = _MARK.sub("", whole)
    if kept == whole:
        return held
    return [msgspec.structs.replace(held[0], text=kept, tokens=sum(piece.tokens for piece in held))] if kept else []
