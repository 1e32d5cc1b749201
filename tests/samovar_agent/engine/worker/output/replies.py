"""Reading a reply in pieces, and what came of it."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from samovar_agent.engine.worker.output import (
    Content,
    Delta,
    Family,
    Reasoning,
    Tool,
    ToolCallArguments,
    ToolCallBegan,
    parser_for,
)

WEATHER = Tool(
    name="get_weather",
    description="The weather.",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "exact": {"type": "boolean"},
            "options": {"type": "object"},
            "scale": {"type": ["number", "null"]},
        },
        "required": ["city"],
    },
)
WRITE = Tool(
    name="write_file",
    parameters={"type": "object", "properties": {"path": {"type": "string"}, "text": {"type": "string"}}},
)
TOOLS = (WEATHER, WRITE)


class Reply(msgspec.Struct, frozen=True):
    content: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()

    @property
    def arguments(self) -> list[tuple[str, Any]]:
        return [(name, json.loads(text)) for name, text in self.calls]


class Case(msgspec.Struct, frozen=True):
    """A recorded text and what it says. - calls: names and decoded arguments."""

    family: Family
    text: str
    content: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    tail: str = ""


def joined(deltas: Iterable[Delta]) -> Reply:
    content = reasoning = ""
    calls: list[tuple[str, str]] = []
    ids = set()
    for delta in deltas:
        match delta:
            case Content(text):
                assert text
                content += text
            case Reasoning(text):
                assert text
                reasoning += text
            case ToolCallBegan(index, id_, name):
                assert index == len(calls)
                ids.add(id_)
                calls.append((name, ""))
            case ToolCallArguments(index, piece):
                assert index == len(calls) - 1
                calls[index] = (calls[index][0], calls[index][1] + piece)
    assert len(ids) == len(calls)
    return Reply(content, reasoning, tuple(calls))


def read(
    family: Family,
    pieces: Iterable[str],
    *,
    tail: str = "",
    tools: tuple[Tool, ...] = TOOLS,
    reasoning: bool = True,
    partial_calls: bool = False,
) -> Reply:
    parser = parser_for(family, tools=tools, reasoning=reasoning, prompt_tail=tail, partial_calls=partial_calls)
    deltas = [delta for piece in pieces for delta in parser.feed(piece)]
    return joined([*deltas, *parser.finish()])


def splits(text: str) -> Iterable[list[str]]:
    """Whole, by character, and in two at every byte, as a decoder of UTF-8 gives it."""
    yield [text]
    yield list(text)
    data = text.encode()
    for at in range(1, len(data)):
        decode = codecs.getincrementaldecoder("utf-8")().decode
        yield [decode(data[:at]), decode(data[at:])]
