"""Hermes and Qwen: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, one pair of tags a call."""

from __future__ import annotations

from typing import ClassVar

from samovar_agent.engine.worker.output.cursor import Malformed, Reading
from samovar_agent.engine.worker.output.tagged import Tagged


class Hermes(Tagged):
    """Hermes 2 and 3, Qwen 2.5 and 3, QwQ, and the many models tuned the same way."""

    openers: ClassVar[tuple[str, ...]] = ("<tool_call>",)

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        while True:
            yield from self._object_call()
            yield from cursor.space()
            # The object is the call: models forget the tag behind it, or put several objects between two tags.
            if (yield from cursor.match("</tool_call>")) or cursor.at == len(cursor.text):
                return
            if (yield from cursor.peek()) != "{":
                raise Malformed
