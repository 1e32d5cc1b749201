"""Models without a form of their own: JSON objects that name one of the tools, where a reply begins."""

from __future__ import annotations

from samovar_agent.engine.worker.output.cursor import Reading
from samovar_agent.engine.worker.output.hermes import Hermes

_FENCES = ("```json", "```tool_call", "```tool_use", "```\n")


class PlainJson(Hermes):
    """An object, or a list of them, alone or in a code fence; Hermes tags, the best known, are read too."""

    def _bare_calls(self) -> Reading[None]:
        while (yield from self._attempt("", self._bare())):
            pass

    def _bare(self) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        fence = yield from cursor.match(*_FENCES)
        yield from self._objects()
        yield from cursor.space()
        if fence:
            yield from cursor.match("```")

    def _objects(self) -> Reading[None]:
        """Objects behind each other, or in a list; `;` and `,` may stand between them."""
        cursor = self._cursor
        yield from cursor.space()
        listed = yield from cursor.match("[")
        while True:
            yield from cursor.space()
            yield from self._object_call(known=True)
            yield from cursor.space()
            follower = yield from cursor.match(",", ";", "]")
            if follower == "]" and listed:
                return
            if follower is None and (cursor.at == len(cursor.text) or (yield from cursor.peek()) != "{"):
                return
