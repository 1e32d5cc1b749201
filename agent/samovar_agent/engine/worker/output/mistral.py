"""Mistral: `[TOOL_CALLS][{...}, {...}]`, and since late 2024 `[TOOL_CALLS]name[ARGS]{...}` for each call."""

from __future__ import annotations

from samovar_agent.engine.worker.output.cursor import Reading
from samovar_agent.engine.worker.output.machine import NAME
from samovar_agent.engine.worker.output.tagged import Tagged


class Mistral(Tagged):
    """Both forms; Magistral's `[THINK]` too."""

    think = ("[THINK]", "[/THINK]")
    openers = ("[TOOL_CALLS]",)
    calls_end_reasoning = True

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        head = yield from cursor.peek()
        if head == "{":
            yield from self._object_call()
        elif head == "[":
            cursor.at += 1
            while True:
                yield from cursor.space()
                yield from self._object_call()
                yield from cursor.space()
                if (yield from cursor.expect(",", "]")) == "]":
                    return
        else:
            name = yield from cursor.run(NAME)
            yield from cursor.space()
            if (yield from cursor.match("[CALL_ID]")):
                yield from cursor.run(NAME)
            yield from cursor.match("[ARGS]")
            yield from self._arguments_object(name)
