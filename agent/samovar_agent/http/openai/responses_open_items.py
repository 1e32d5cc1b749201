"""Items of a response that are being written: each tells its beginning, its pieces and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec
from msgspec import UNSET

from samovar_agent.http.openai.json_strings import one_line
from samovar_agent.http.openai.logprobs import TokenEntry, logprobs_of
from samovar_agent.http.openai.responses_events import Events, head, piece
from samovar_agent.http.openai.responses_namespaces import Qualified
from samovar_agent.http.openai.responses_reply import (
    FileCitation,
    FunctionCall,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputText,
    ReasoningItem,
    ReasoningText,
    SummaryText,
)
from samovar_protocol.values import Text, ToolCallBegan

Annotate = Callable[[str], list[FileCitation]]
_encode = msgspec.json.Encoder().encode
_NO_LOGPROBS = b',"logprobs":[]'


class Slot(NamedTuple):
    """Where an item goes. - place: among the items of the output. - id: the item's."""

    events: Events
    place: int
    id: str

    def event(self, kind: str, **values: object) -> bytes:
        """An event about the item."""
        return self.events.event(kind, output_index=self.place, item_id=self.id, **values)

    def added(self, item: OutputItem) -> bytes:
        """It begins."""
        return self.events.event("output_item.added", output_index=self.place, item=item)

    def done(self, item: OutputItem) -> bytes:
        """It is complete."""
        return self.events.event("output_item.done", output_index=self.place, item=item)


class OpenItem(Protocol):
    """An item that is being written."""

    def begin(self) -> bytes:
        """The events before its first piece."""

    def end(self, status: ItemStatus) -> tuple[bytes, OutputItem]:
        """The events after its last piece, and what it is."""


class OpenMessage:
    """What the model says. - annotate: what the whole text cites."""

    def __init__(self, slot: Slot, annotate: Annotate) -> None:
        self._slot, self._annotate = slot, annotate
        self._texts: list[str] = []
        self._logprobs: list[TokenEntry] = []
        self._delta = head("output_text.delta", output_index=slot.place, item_id=slot.id, content_index=0)

    def begin(self) -> bytes:
        """The message, and the one part that it has."""
        item = OutputMessage(id=self._slot.id, status="in_progress", content=[])
        return self._slot.added(item) + self._slot.event(
            "content_part.added", content_index=0, part=OutputText(text="")
        )

    def add(self, delta: Text) -> bytes:
        """The next piece; runs for every token."""
        self._texts.append(delta.text)
        logprobs = logprobs_of(delta.logprobs)
        if logprobs is None:
            return self._slot.events.encoded(self._delta, piece(delta.text) + _NO_LOGPROBS)
        self._logprobs += logprobs.content
        told = b',"logprobs":' + one_line(_encode(logprobs.content))
        return self._slot.events.encoded(self._delta, piece(delta.text) + told)

    def end(self, status: ItemStatus) -> tuple[bytes, OutputItem]:
        """The whole text, and what it cites."""
        slot, text = self._slot, "".join(self._texts)
        part = OutputText(text=text, annotations=self._annotate(text), logprobs=self._logprobs)
        item = OutputMessage(id=slot.id, status=status, content=[part])
        data = b"".join(
            slot.event("output_text.annotation.added", content_index=0, annotation_index=index, annotation=annotation)
            for index, annotation in enumerate(part.annotations)
        )
        data += slot.event("output_text.done", content_index=0, text=text, logprobs=self._logprobs)
        data += slot.event("content_part.done", content_index=0, part=part)
        return data + slot.done(item), item


class OpenThoughts:
    """What the model thinks."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._texts: list[str] = []
        self._delta = head("reasoning_text.delta", output_index=slot.place, item_id=slot.id, content_index=0)

    def begin(self) -> bytes:
        """The item, and the one part that it has."""
        item = ReasoningItem(id=self._slot.id, status="in_progress", summary=[], content=[])
        return self._slot.added(item) + self._slot.event(
            "content_part.added", content_index=0, part=ReasoningText(text="")
        )

    def add(self, text: str) -> bytes:
        """The next piece."""
        self._texts.append(text)
        return self._slot.events.encoded(self._delta, piece(text))

    def end(self, status: ItemStatus) -> tuple[bytes, OutputItem]:
        """All of it."""
        slot, text = self._slot, "".join(self._texts)
        part = ReasoningText(text=text)
        item = ReasoningItem(id=slot.id, status=status, summary=[], content=[part])
        data = slot.event("reasoning_text.done", content_index=0, text=text)
        data += slot.event("content_part.done", content_index=0, part=part)
        return data + slot.done(item), item


class OpenSummary:
    """What the model thinks, where a summary was asked for."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._texts: list[str] = []
        self._delta = head("reasoning_summary_text.delta", output_index=slot.place, item_id=slot.id, summary_index=0)

    def begin(self) -> bytes:
        """The item, and the one part of its summary."""
        item = ReasoningItem(id=self._slot.id, status="in_progress", summary=[])
        return self._slot.added(item) + self._slot.event(
            "reasoning_summary_part.added", summary_index=0, part=SummaryText(text="")
        )

    def add(self, text: str) -> bytes:
        """The next piece."""
        self._texts.append(text)
        return self._slot.events.encoded(self._delta, piece(text))

    def end(self, status: ItemStatus) -> tuple[bytes, OutputItem]:
        """All of it."""
        slot, text = self._slot, "".join(self._texts)
        part = SummaryText(text=text)
        item = ReasoningItem(id=slot.id, status=status, summary=[part])
        data = slot.event("reasoning_summary_text.done", summary_index=0, text=text)
        data += slot.event("reasoning_summary_part.done", summary_index=0, part=part)
        return data + slot.done(item), item


class OpenCall:
    """A call of a function. - qualified: which one it is, where it is of a namespace."""

    def __init__(self, slot: Slot, began: ToolCallBegan, qualified: Qualified | None = None) -> None:
        self._slot, self._began, self._qualified = slot, began, qualified
        self._arguments: list[str] = []
        self._delta = head("function_call_arguments.delta", output_index=slot.place, item_id=slot.id)

    def begin(self) -> bytes:
        """The call, without its arguments."""
        return self._slot.added(self._item("in_progress"))

    def add(self, json: str) -> bytes:
        """The next piece of the arguments."""
        self._arguments.append(json)
        return self._slot.events.encoded(self._delta, piece(json))

    def end(self, status: ItemStatus) -> tuple[bytes, OutputItem]:
        """All of the arguments."""
        item = self._item(status)
        data = self._slot.event("function_call_arguments.done", name=item.name, arguments=item.arguments)
        return data + self._slot.done(item), item

    def _item(self, status: ItemStatus) -> FunctionCall:
        return FunctionCall(
            id=self._slot.id,
            call_id=self._began.id,
            name=self._qualified.name if self._qualified is not None else self._began.name,
            namespace=self._qualified.namespace if self._qualified is not None else UNSET,
            arguments="".join(self._arguments),
            status=status,
        )
