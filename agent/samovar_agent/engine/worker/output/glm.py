"""GLM 4.5 and later: `<tool_call>name`, then pairs of `<arg_key>` and `<arg_value>`, then `</tool_call>`."""

from __future__ import annotations

import json
import re

from samovar_agent.engine.worker.output.cursor import Reading
from samovar_agent.engine.worker.output.machine import NAME
from samovar_agent.engine.worker.output.tagged import Tagged
from samovar_agent.engine.worker.output.typed import to_json
from samovar_agent.engine.worker.output.xml_value import text_between

_KEY = re.compile(r"[^<\n]")
_NEXT = ("<arg_key>", "</tool_call>")


class Glm(Tagged):
    """Strings are written as they are, everything else as JSON."""

    openers = ("<tool_call>",)

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        name = yield from cursor.run(NAME)
        yield from cursor.space()
        following = yield from cursor.expect(*_NEXT)
        self._begin_call(name)
        comma = "{"
        while following == "<arg_key>":
            key = (yield from cursor.run(_KEY)).strip()
            yield from cursor.expect("</arg_key>")
            yield from cursor.space()
            yield from cursor.expect("<arg_value>")
            text = yield from text_between(cursor, "</arg_value>", _NEXT)
            self._arguments(
                f"{comma}{json.dumps(key, ensure_ascii=False)}: {to_json(text, key, self._tools.get(name))}"
            )
            comma = ", "
            yield from cursor.space()
            following = yield from cursor.expect(*_NEXT)
        self._arguments("{}" if comma == "{" else "}")
        self._end_call()
