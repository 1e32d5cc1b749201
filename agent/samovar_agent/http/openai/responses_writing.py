"""A response's output as it is written: the items so far, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from samovar_agent.http.openai.responses_events import Events
from samovar_agent.http.openai.responses_items import item_id
from samovar_agent.http.openai.responses_namespaces import Qualified
from samovar_agent.http.openai.responses_open_items import (
    Annotate,
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenSummary,
    OpenThoughts,
    Slot,
)
from samovar_agent.http.openai.responses_reply import FileSearchCall, ItemStatus, OutputItem
from samovar_protocol.values import AnyDelta, Text, Thinking, ToolCallBegan

O = TypeVar("O", bound=OpenItem)  # noqa: E741 - what else would an open item be


class Writing:
    """Takes the pieces of a reply as they come.

    - response: its id. - summarised: thoughts are told as a summary. - annotate: what a whole text cites.
    - qualified: functions of namespaces, by what they are called towards the model.
    - items: those that are complete. - reasoning_tokens: so far.
    """

    def __init__(
        self,
        events: Events,
        response: str,
        *,
        summarised: bool,
        annotate: Annotate,
        qualified: Mapping[str, Qualified],
    ) -> None:
        self.items: list[OutputItem] = []
        self.reasoning_tokens = 0
        self._events, self._response, self._qualified = events, response, qualified
        self._message = partial(OpenMessage, annotate=annotate)
        self._thoughts: type[OpenThoughts | OpenSummary] = OpenSummary if summarised else OpenThoughts
        self._open: OpenItem | None = None

    def delta(self, delta: AnyDelta) -> bytes:
        """A piece of the reply."""
        if isinstance(delta, Text):
            data, message = self._opened(OpenMessage, self._message, "msg")
            return data + message.add(delta)
        if isinstance(delta, Thinking):
            self.reasoning_tokens += delta.tokens
            data, thoughts = self._opened(self._thoughts, self._thoughts, "rs")
            return data + thoughts.add(delta.text)
        if isinstance(delta, ToolCallBegan):
            data = self._close("completed")
            return data + self._begin(OpenCall(self._slot("fc"), delta, self._qualified.get(delta.name)))
        assert isinstance(self._open, OpenCall), "calls are written one after the other"
        return self._open.add(delta.json)

    def search(self, query: str) -> tuple[bytes, FileSearchCall]:
        """A search begins."""
        slot = self._slot("fs")
        call = FileSearchCall(id=slot.id, status="in_progress", queries=[query])
        data = slot.added(call) + slot.event("file_search_call.in_progress") + slot.event("file_search_call.searching")
        return data, call

    def searched(self, call: FileSearchCall, *, tell: bool) -> bytes:
        """The search has ended. - call: with what was found. - tell: that too."""
        slot = self._slot("fs")
        self.items.append(call)
        item = call if tell else msgspec.structs.replace(call, results=None)
        return slot.event("file_search_call.completed") + slot.done(item)

    def end(self, status: ItemStatus) -> bytes:
        """The reply is over. One without anything has a message that is empty."""
        data = b""
        if self._open is None and all(isinstance(item, FileSearchCall) for item in self.items):
            data = self._begin(self._message(self._slot("msg")))
        return data + self._close(status)

    def cut(self) -> bytes:
        """The reply failed; what there is of it counts."""
        return self._close("incomplete")

    def _opened(self, kind: type[O], new: Callable[[Slot], O], prefix: str) -> tuple[bytes, O]:
        if isinstance(self._open, kind):
            return b"", self._open
        data = self._close("completed")
        opened = new(self._slot(prefix))
        return data + self._begin(opened), opened

    def _begin(self, opened: OpenItem) -> bytes:
        self._open = opened
        return opened.begin()

    def _close(self, status: ItemStatus) -> bytes:
        if self._open is None:
            return b""
        data, item = self._open.end(status)
        self.items.append(item)
        self._open = None
        return data

    def _slot(self, prefix: str) -> Slot:
        index = len(self.items)
        return Slot(self._events, index, item_id(prefix, self._response, str(index)))
