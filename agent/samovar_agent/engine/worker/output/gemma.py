"""Gemma up to 3: no form of its own; its guides ask for JSON, or for Python in a list or a ```tool_code fence."""

from __future__ import annotations

from samovar_agent.engine.worker.output.cursor import Malformed, Reading
from samovar_agent.engine.worker.output.machine import NAME
from samovar_agent.engine.worker.output.plain_json import PlainJson
from samovar_agent.engine.worker.output.python_calls import parse_calls


class Gemma(PlainJson):
    """Fences may stand anywhere in the reply; what is in them and calls no tool stays as it is."""

    openers = ("```tool_code", "```tool_call", "```python")

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        if (yield from cursor.peek()) in "{[" and opener == "```tool_call":
            yield from self._objects()
            yield from cursor.space()
            yield from cursor.match("```")
            return
        code, _ = yield from cursor.until("```")
        self._python(code)

    def _bare(self) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        start = cursor.at
        if (yield from cursor.match("[")) and NAME.match((yield from cursor.peek())):
            name = yield from cursor.run(NAME)
            yield from cursor.expect("(")
            if name not in self._tools:
                raise Malformed
            while not cursor.ended:
                yield
            code = cursor.text[start:]
            cursor.at = len(cursor.text)
            self._python(code)
            return
        cursor.at = start
        yield from super()._bare()

    def _python(self, code: str) -> None:
        calls = parse_calls(code, self._tools)
        if not calls:
            raise Malformed
        for name, arguments in calls:
            self._whole_call(name, arguments)
