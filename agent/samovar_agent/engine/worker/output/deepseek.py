"""DeepSeek: `<｜tool▁call▁begin｜>`, where R1 and V3 put a type and a code fence around what V3.1 writes plainly."""

from __future__ import annotations

from samovar_agent.engine.worker.output.cursor import Reading
from samovar_agent.engine.worker.output.machine import NAME
from samovar_agent.engine.worker.output.tagged import Tagged


class DeepSeek(Tagged):
    """R1 and V3: `function<｜tool▁sep｜>name` and a ```json fence; V3.1: `name<｜tool▁sep｜>{...}`."""

    openers = ("<｜tool▁call▁begin｜>",)
    dropped = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁end｜>")
    calls_end_reasoning = True

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        name = yield from cursor.run(NAME)
        yield from cursor.expect("<｜tool▁sep｜>")
        yield from cursor.space()
        if (yield from cursor.peek()) != "{":
            name = yield from cursor.run(NAME)
            yield from cursor.space()
            yield from cursor.match("```json")
            yield from cursor.space()
        yield from self._arguments_object(name)
        yield from cursor.space()
        yield from cursor.match("```")
        yield from cursor.space()
        yield from cursor.match("<｜tool▁call▁end｜>")
