"""Llama 3: a bare `{"name": ..., "parameters": {...}}`, or calls behind `<|python_tag|>`."""

from __future__ import annotations

import json

from samovar_agent.engine.worker.output.cursor import Malformed, Reading
from samovar_agent.engine.worker.output.machine import NAME
from samovar_agent.engine.worker.output.plain_json import PlainJson
from samovar_agent.engine.worker.output.python_calls import parse_calls

_INTERPRETERS = ("python", "ipython", "code_interpreter")


class Llama(PlainJson):
    """Behind the tag: objects, `tool.call(key="value")` for built-in tools, or Python for an interpreter.

    `<function=name>{...}</function>`, which the model cards describe as well, needs no tag.
    """

    openers = ("<|python_tag|>", "<function=")
    calls_end_reasoning = True

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        if opener == "<function=":
            name = yield from cursor.run(NAME)
            yield from cursor.expect(">")
            yield from self._arguments_object(name)
            yield from cursor.space()
            yield from cursor.match("</function>")
            return
        yield from cursor.space()
        if (yield from cursor.peek()) == "{":
            yield from self._objects()
            return
        while not cursor.ended:
            yield
        code = cursor.text[cursor.at :]
        cursor.at = len(cursor.text)
        calls = parse_calls(code, self._tools)
        interpreter = next((name for name in _INTERPRETERS if name in self._tools), None)
        if calls:
            for name, arguments in calls:
                self._whole_call(name, arguments)
        elif interpreter and code.strip():
            self._whole_call(interpreter, json.dumps({"code": code.strip()}, ensure_ascii=False))
        else:
            raise Malformed
