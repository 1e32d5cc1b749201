"""What a reply is made of, piece by piece, and what reads it."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Content(msgspec.Struct, frozen=True, tag="content"):
    """The answer itself."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """What the model thinks before it answers."""

    text: str


class ToolCallBegan(msgspec.Struct, frozen=True, tag="tool_call_began"):
    """A call; its arguments follow. - index: from 0 within the reply. - id: 9 letters and digits, which suits all."""

    index: int
    id: str
    name: str


class ToolCallArguments(msgspec.Struct, frozen=True, tag="tool_call_arguments"):
    """A piece of a call's arguments; all pieces of an index together are one JSON object."""

    index: int
    json: str


Delta = Content | Reasoning | ToolCallBegan | ToolCallArguments


class OutputParser(Protocol):
    """Reads a reply as it is written. However the text is split, the joined deltas are the same."""

    @property
    def withheld(self) -> int:
        """Characters at the end of what came that are not given yet."""

    def feed(self, text: str) -> list[Delta]:
        """What is certain now."""

    def finish(self) -> list[Delta]:
        """What was held back, now that nothing follows; an unfinished tool call comes as content."""
