"""A value between tags that may itself contain the closing tag."""

from __future__ import annotations

from samovar_agent.engine.worker.output.cursor import Cursor, Reading


def text_between(cursor: Cursor, closer: str, followers: tuple[str, ...]) -> Reading[str]:
    """The text before `closer`, consumed with it; only a closer that one of `followers` follows is the real one."""
    start = cursor.at
    while True:
        yield from cursor.until(closer)
        after = cursor.at
        yield from cursor.space()
        found = yield from cursor.match(*followers)
        cursor.at = after
        if found:
            return cursor.text[start : after - len(closer)]
