"""gpt-oss: messages with a channel each, `<|channel|>final<|message|>text<|end|>`, and calls to a recipient."""

from __future__ import annotations

import re

from samovar_agent.engine.worker.output.cursor import Malformed, Reading
from samovar_agent.engine.worker.output.deltas import Content, Reasoning
from samovar_agent.engine.worker.output.json_text import value
from samovar_agent.engine.worker.output.machine import Machine

_START, _CHANNEL, _MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
_ENDS = ("<|end|>", "<|call|>", "<|return|>", _START, _CHANNEL, _MESSAGE)
_RECIPIENT = re.compile(r"\bto=([\w.:/-]+)")
_ROLE = re.compile(r"\s*assistant")
_MAX_HEADER = 300


class Harmony(Machine):
    """Analysis is reasoning; final, and commentary without a recipient, are content."""

    def _begin_with(self, prompt_tail: str) -> None:
        # The prompt ends inside of a message; reading goes on from that message's start.
        at = prompt_tail.rfind(_START)
        if at >= 0:
            self._cursor.append(prompt_tail[at:])

    def _run(self) -> Reading[None]:
        marker = yield from self._prose(Content, _ENDS)
        while marker:
            header = (yield from self._header()) if marker in (_START, _CHANNEL) else None
            if header is None:
                marker = yield from self._prose(Content, _ENDS)
            else:
                marker = yield from self._body(header)

    def _header(self) -> Reading[str | None]:
        """What stands before the message's text; None where there is no message, and its text stays to be shown."""
        cursor = self._cursor
        start = cursor.at
        while True:
            at = cursor.text.find(_MESSAGE, start, start + _MAX_HEADER)
            if at >= 0:
                cursor.at = at + len(_MESSAGE)
                return cursor.text[start:at]
            if cursor.ended or len(cursor.text) >= start + _MAX_HEADER:
                role = _ROLE.match(cursor.text, start)
                cursor.at = role.end() if role else start
                return None
            yield

    def _body(self, header: str) -> Reading[str | None]:
        """The message's text; returns the marker that ended it."""
        kind: type[Content] | type[Reasoning] = Content
        if self._reasoning and header.rpartition(_CHANNEL)[2].strip().startswith("analysis"):
            kind = Reasoning
        self._pause()
        recipient = _RECIPIENT.search(header)
        if recipient and self._tools:
            yield from self._attempt("", self._call(recipient[1].removeprefix("functions.")), kind)
        marker = yield from self._prose(kind, _ENDS)
        self._pause()
        return marker

    def _call(self, name: str) -> Reading[None]:
        yield from self._cursor.space()
        if (yield from self._cursor.peek()) != "{":
            raise Malformed
        self._begin_call(name)
        yield from value(self._cursor, self._arguments)
        self._end_call()
