"""Families whose replies are text with marked places: reasoning first, then content, calls anywhere after."""

from __future__ import annotations

from typing import ClassVar

from samovar_agent.engine.worker.output.cursor import Malformed, Reading
from samovar_agent.engine.worker.output.deltas import Content, Reasoning
from samovar_agent.engine.worker.output.json_text import decode, text_of_string, text_of_value, value
from samovar_agent.engine.worker.output.machine import Machine

_ARGUMENTS = ("arguments", "parameters", "args")
_KEYS = ("name", "function", "type", "id", *_ARGUMENTS)


class Tagged(Machine):
    """Base of most families.

    - think: what opens and closes reasoning. - openers: what begins calls. - dropped: structure that says nothing.
    - calls_end_reasoning: the openers are special tokens that nobody writes by chance, so one inside of reasoning is
    a call whose reasoning was never closed.
    """

    think: ClassVar[tuple[str, str]] = ("<think>", "</think>")
    openers: ClassVar[tuple[str, ...]] = ()
    dropped: ClassVar[tuple[str, ...]] = ()
    calls_end_reasoning: ClassVar[bool] = False

    _thinking = False

    def _begin_with(self, prompt_tail: str) -> None:
        self._thinking = prompt_tail.rstrip().endswith(self.think[0])

    def _call(self, opener: str) -> Reading[None]:
        """Read what follows an opener; raises `Malformed` where it is no call."""
        raise NotImplementedError

    def _bare_calls(self) -> Reading[None]:
        """Read calls without an opener, which may stand only where no content has been yet."""
        yield from ()

    def _run(self) -> Reading[None]:
        begin, end = self.think
        calls = (*self.openers, *self.dropped) if self._tools else ()
        if self._thinking:
            yield from self._reason("", calls)
        while True:
            if self._blank and self._tools:
                yield from self._bare_calls()
            marker = yield from self._prose(Content, (begin, end, *calls))
            if marker is None:
                return
            if marker in self.openers:
                yield from self._attempt(marker, self._call(marker))
            elif marker == begin and self._blank:
                yield from self._reason(begin, calls)
            elif marker == begin:
                self._say(Content, begin)  # in the middle of an answer it is only spoken of
            elif marker == end:
                self._pause()

    def _reason(self, begin: str, calls: tuple[str, ...]) -> Reading[None]:
        """Read reasoning to its end, which may be a call."""
        kind = Reasoning if self._reasoning else Content
        if self._reasoning:
            self._pause()
        else:
            self._say(Content, begin)
        end = self.think[1]
        while True:
            marker = yield from self._prose(kind, (end, *calls) if self.calls_end_reasoning else (end,))
            if marker in self.openers:
                if (yield from self._attempt(marker, self._call(marker), kind)):
                    return
            elif marker == end and not self._reasoning:
                self._say(Content, end)
                self._blank = True
                return
            elif marker not in self.dropped:
                self._pause()
                return

    def _object_call(self, *, known: bool = False) -> Reading[None]:
        """A call as a JSON object, its keys in any order. - known: only with the name of one of the tools."""
        cursor = self._cursor
        name = arguments = None
        begun = False
        yield from cursor.expect("{")
        while True:
            yield from cursor.space()
            key = yield from text_of_string(cursor)
            if known and key not in _KEYS:
                raise Malformed  # at once, so that JSON which is the answer is shown as it is written
            yield from cursor.space()
            yield from cursor.expect(":")
            yield from cursor.space()
            head = yield from cursor.peek()
            if key == "function" and head == "{":
                yield from self._object_call(known=known)
                begun = True
            elif key in ("name", "function") and name is None and head == '"':
                name = yield from text_of_string(cursor)
                if known and name not in self._tools:
                    raise Malformed
            elif key in _ARGUMENTS and not begun and name is not None and head == "{":
                self._begin_call(name)
                begun = True
                yield from value(cursor, self._arguments)
            else:
                text = yield from text_of_value(cursor)
                if key in _ARGUMENTS:
                    arguments = text
            yield from cursor.space()
            if (yield from cursor.expect(",", "}")) == "}":
                break
        if begun:
            self._end_call()
        elif name is None or (known and arguments is None):
            raise Malformed
        else:
            self._whole_call(name, _as_object(arguments))

    def _arguments_object(self, name: str) -> Reading[None]:
        """The arguments alone, where the name came before them."""
        yield from self._cursor.space()
        if (yield from self._cursor.peek()) != "{":
            raise Malformed
        self._begin_call(name)
        yield from value(self._cursor, self._arguments)
        self._end_call()


def _as_object(arguments: str | None) -> str:
    """Arguments written as a string of JSON, or not at all."""
    if arguments is None or arguments == "null":
        return "{}"
    text = arguments
    try:
        if text.startswith('"'):
            text = str(decode(text)).strip() or "{}"
        if isinstance(decode(text), dict):
            return text
    except ValueError:
        pass
    raise Malformed
