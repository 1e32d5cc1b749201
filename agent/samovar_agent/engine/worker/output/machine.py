"""What all families share: showing text up to a marker, reasoning, and calls that are taken back if they are none."""

from __future__ import annotations

import itertools
import re
import secrets
import string
from collections.abc import Sequence

from samovar_agent.engine.worker.output.cursor import Cursor, Malformed, Reading, first, possible_start
from samovar_agent.engine.worker.output.deltas import (
    Content,
    Delta,
    Reasoning,
    ToolCallArguments,
    ToolCallBegan,
)
from samovar_protocol.values import Tool

NAME = re.compile(r"[\w.:/-]")
_WHOLE_NAME = re.compile(r"[\w.:/-]{1,128}")
_QUOTES = "`\"'"
_ID = string.ascii_letters + string.digits


class Machine:
    """Base of every family's parser; a family says in `_run` what follows what.

    - partial_calls: give a call as soon as it has a name, and its arguments as they are written. A reply that is cut
    off then ends inside them; otherwise a call is given once it is whole, and comes as content if it never is.
    """

    def __init__(self, tools: Sequence[Tool], *, reasoning: bool, prompt_tail: str, partial_calls: bool) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._reasoning = reasoning
        self._partial_calls = partial_calls
        self._cursor = Cursor()
        self._out: list[Delta] = []
        self._held: int | None = None  # from where on in `_out` it may still be taken back
        self._back = 0  # where reading begins again then
        self._index = 0
        self._space = ""  # white space not shown yet: it goes where a marker follows
        self._blank = True  # nothing but white space since the start, the reasoning or a call
        self._trim = False  # leading white space goes
        self._begin_with(prompt_tail)
        self._program = self._run()

    @property
    def withheld(self) -> int:
        """Characters at the end of what came that are not read yet, or are white space that a marker would swallow."""
        return len(self._cursor.text) - self._cursor.at + len(self._space)

    def feed(self, text: str) -> list[Delta]:
        """What is certain now."""
        self._cursor.append(text)
        return self._advance()

    def finish(self) -> list[Delta]:
        """What was held back, now that nothing follows."""
        self._cursor.ended = True
        deltas = self._advance()
        if self._space:
            deltas.append(Content(self._space))
        self._space = ""
        return deltas

    def _begin_with(self, prompt_tail: str) -> None:
        """Take from the prompt's end what state the reply begins in."""

    def _run(self) -> Reading[None]:
        raise NotImplementedError

    def _advance(self) -> list[Delta]:
        next(self._program, None)
        if self._held is None:
            ready, self._out = self._out, []
        elif self._held:
            ready, self._out = self._out[: self._held], self._out[self._held :]
            self._held = 0
        else:
            return []
        return _joined(ready)

    def _prose(self, kind: type[Content] | type[Reasoning], markers: Sequence[str]) -> Reading[str | None]:
        """Show text up to one of `markers`, and consume that; None at the end of the reply."""
        cursor = self._cursor
        start = cursor.at
        while True:
            found = first(cursor.text, markers, start)
            keep = found[0] if found else possible_start(cursor.text, markers, start)
            if found and (quoted := self._is_quoted(*found)) is not None:
                self._say(kind, cursor.text[cursor.at : keep])
                cursor.at = start = keep + len(found[1])
                if not quoted:
                    return found[1]
                self._say(kind, found[1])
                continue
            if cursor.ended:
                self._say(kind, cursor.text[cursor.at :])
                cursor.at = len(cursor.text)
                return None
            self._say(kind, cursor.text[cursor.at : keep])
            cursor.at = keep
            cursor.discard()
            start = cursor.at
            yield

    def _is_quoted(self, at: int, marker: str) -> bool | None:
        """Whether a marker is only spoken of, as in `<think>`; None while that cannot be told."""
        before, after = self._cursor.text[max(at - 1, 0) : at], at + len(marker)
        if not before or before not in _QUOTES:
            return False
        if after == len(self._cursor.text):
            return False if self._cursor.ended else None
        return self._cursor.text[after] == before

    def _say(self, kind: type[Content] | type[Reasoning], text: str) -> None:
        text = self._space + text
        if self._trim:
            text = text.lstrip()
        shown = text.rstrip()
        self._space = text[len(shown) :]
        if shown:
            self._trim = self._blank = False
            self._out.append(kind(shown))

    def _pause(self) -> None:
        """Reasoning or a call ended: white space around it is no part of the content."""
        self._space = ""
        self._trim = self._blank = True

    def _attempt(
        self, opener: str, call: Reading[None], kind: type[Content] | type[Reasoning] = Content
    ) -> Reading[bool]:
        """Read a call, or several; what turns out to be none is shown as text, from the opener on. True: it was one."""
        self._back = self._cursor.at
        self._held = len(self._out)
        before = self._index
        try:
            yield from call
        except Malformed:
            self._take_back()
            if self._index == before:
                self._say(kind, opener)
                return False
        finally:
            self._held = None
        self._pause()
        return True

    def _take_back(self) -> None:
        if self._held is not None:
            del self._out[self._held :]
            self._cursor.at = self._back
        elif self._cursor.ended:
            self._cursor.at = len(self._cursor.text)  # the cut-off end of arguments that were given already

    def _begin_call(self, name: str) -> None:
        if not _WHOLE_NAME.fullmatch(name):
            raise Malformed
        self._out.append(ToolCallBegan(self._index, "".join(secrets.choice(_ID) for _ in range(9)), name))
        if self._partial_calls:
            self._held = None
            self._index += 1

    def _arguments(self, piece: str) -> None:
        if piece:
            index = self._index - 1 if self._partial_calls else self._index
            self._out.append(ToolCallArguments(index, piece))

    def _end_call(self) -> None:
        """It is a call; nothing of it is taken back."""
        if not self._partial_calls:
            self._index += 1
        self._held = len(self._out)
        self._back = self._cursor.at

    def _whole_call(self, name: str, arguments: str) -> None:
        self._begin_call(name)
        self._arguments(arguments)
        self._end_call()


def _joined(deltas: list[Delta]) -> list[Delta]:
    """The same with every run of pieces of one call's arguments made one."""
    joined: list[Delta] = []
    for key, run in itertools.groupby(
        deltas, lambda delta: delta.index if isinstance(delta, ToolCallArguments) else None
    ):
        if key is None:
            joined += run
        else:
            pieces = [delta.json for delta in run if isinstance(delta, ToolCallArguments)]
            joined.append(ToolCallArguments(key, "".join(pieces)))
    return joined
