"""Gemma 4 and FunctionGemma: `call:name{key:value,...}` between tags, with a token of its own around strings."""

from __future__ import annotations

import json
import re
from typing import ClassVar

from samovar_agent.engine.worker.output.cursor import Malformed, Reading
from samovar_agent.engine.worker.output.json_text import MAX_DEPTH, decode
from samovar_agent.engine.worker.output.machine import NAME
from samovar_agent.engine.worker.output.tagged import Tagged

_KEY = re.compile(r"[^:<>{}\[\],\s]")
_SCALAR = re.compile(r"[^,{}\[\]<>\s]")


class Gemma4(Tagged):
    """Gemma 4; its reasoning is a channel named `thought`. - quote: stands on both sides of strings."""

    think = ("<|channel>thought", "<channel|>")
    openers = ("<|tool_call>",)
    dropped = ("<tool_call|>",)
    calls_end_reasoning = True
    quote: ClassVar[str] = '<|"|>'

    def _call(self, opener: str) -> Reading[None]:
        cursor = self._cursor
        yield from cursor.space()
        yield from cursor.expect("call:")
        name = yield from cursor.run(NAME)
        yield from cursor.expect("{")
        self._begin_call(name)
        yield from self._members(0)
        self._end_call()
        yield from cursor.space()
        yield from cursor.match(*self.dropped)

    def _members(self, depth: int) -> Reading[None]:
        cursor = self._cursor
        self._arguments("{")
        yield from cursor.space()
        if (yield from cursor.match("}")) is None:
            while True:
                yield from cursor.space()
                if (yield from cursor.match(self.quote)):
                    key, _ = yield from cursor.until(self.quote)
                else:
                    key = yield from cursor.run(_KEY)
                yield from cursor.space()
                yield from cursor.expect(":")
                self._arguments(json.dumps(key, ensure_ascii=False) + ": ")
                yield from self._value(depth + 1)
                yield from cursor.space()
                if (yield from cursor.expect(",", "}")) == "}":
                    break
                self._arguments(", ")
        self._arguments("}")

    def _value(self, depth: int) -> Reading[None]:
        cursor = self._cursor
        if depth > MAX_DEPTH:
            raise Malformed
        yield from cursor.space()
        head = yield from cursor.match(self.quote, "{", "[")
        if head == self.quote:
            text, _ = yield from cursor.until(self.quote)
            self._arguments(json.dumps(text, ensure_ascii=False))
        elif head == "{":
            yield from self._members(depth)
        elif head == "[":
            yield from self._items(depth)
        else:
            scalar = yield from cursor.run(_SCALAR)
            try:
                decode(scalar)
            except ValueError:
                raise Malformed from None
            self._arguments(scalar)

    def _items(self, depth: int) -> Reading[None]:
        cursor = self._cursor
        self._arguments("[")
        yield from cursor.space()
        if (yield from cursor.match("]")) is None:
            while True:
                yield from self._value(depth + 1)
                yield from cursor.space()
                if (yield from cursor.expect(",", "]")) == "]":
                    break
                self._arguments(", ")
        self._arguments("]")


class FunctionGemma(Gemma4):
    """The same with other tags, and no reasoning of its own."""

    think = ("<think>", "</think>")
    openers = ("<start_function_call>",)
    dropped = ("<end_function_call>",)
    quote = "<escape>"
