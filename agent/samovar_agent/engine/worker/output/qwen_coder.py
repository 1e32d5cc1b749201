"""Qwen3-Coder: `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`."""

from __future__ import annotations

import json
import re

from samovar_agent.engine.worker.output.cursor import Reading
from samovar_agent.engine.worker.output.hermes import Hermes
from samovar_agent.engine.worker.output.machine import NAME
from samovar_agent.engine.worker.output.typed import to_json
from samovar_agent.engine.worker.output.xml_value import text_between

_KEY = re.compile(r"[^<>\n]")
_NEXT = ("<parameter=", "</function>")


class QwenCoder(Hermes):
    """Values are plain text, a line break on either side; the outer tags are often forgotten."""

    openers = ("<tool_call>", "<function=")

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        if opener == "<tool_call>":
            yield from cursor.space()
            if (yield from cursor.peek()) == "{":
                yield from super()._call(opener)
                return
            yield from cursor.expect("<function=")
        while True:
            yield from self._function()
            yield from cursor.space()
            if (yield from cursor.match("<function=")) is None:
                yield from cursor.match("</tool_call>")
                return

    def _function(self) -> Reading[None]:
        cursor = self._cursor
        name = yield from cursor.run(NAME)
        yield from cursor.expect(">")
        self._begin_call(name)
        comma = "{"
        while True:
            yield from cursor.space()
            if (yield from cursor.expect(*_NEXT)) == "</function>":
                break
            key = (yield from cursor.run(_KEY)).strip()
            yield from cursor.expect(">")
            text = yield from text_between(cursor, "</parameter>", _NEXT)
            text = text.removeprefix("\n").removesuffix("\n")
            self._arguments(
                f"{comma}{json.dumps(key, ensure_ascii=False)}: {to_json(text, key, self._tools.get(name))}"
            )
            comma = ", "
        self._arguments("{}" if comma == "{" else "}")
        self._end_call()
