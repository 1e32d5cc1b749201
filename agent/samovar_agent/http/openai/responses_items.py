"""The items of a conversation in `/v1/responses`: what somebody said, what the model called, thought or searched.

A reply's items can be sent back as they came; what is stored of a reply is read by the same code.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert, refuse
from samovar_protocol.values import Name

ItemId = Annotated[str, Meta(min_length=1, max_length=300)]
Status = Literal["in_progress", "completed", "incomplete"]
Raw = dict[str, Any]

_ITEM_ID = re.compile(r"[a-z]+_(?P<response>[0-9a-f]{32})_i?\d+")
_PART_FIELDS = frozenset(
    {
        *("type", "text", "refusal"),
        # Of a reply that is sent back; OpenAI's client adds `parsed`.
        *("annotations", "logprobs", "parsed"),
        # Prefixes are cached without being told.
        "prompt_cache_breakpoint",
        # Of pictures and files, which are refused by their types.
        *("image_url", "detail", "file_id", "file_url", "file_data", "filename", "input_audio"),
    }
)
_FUNCTION_RULES: dict[str, tuple[Any, ...]] = {"caller": ({"type": "direct"},)}


class MessageItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something said. - phase: of an assistant's message, as OpenAI's newest models tell it; without effect."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Raw]
    type: Literal["message"] = "message"
    id: ItemId | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class CallItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that the model made. - arguments: a JSON object as text. - parsed_arguments: OpenAI's client adds it.

    - namespace: the group that the function is of.
    """

    call_id: ItemId
    name: Name
    arguments: str
    type: Literal["function_call"] = "function_call"
    id: ItemId | None = None
    status: Status | None = None
    parsed_arguments: Any = None
    created_by: Any = None
    caller: Any = None
    namespace: Name | None = None
    async_: Literal[False] | None = msgspec.field(name="async", default=None)


class CallOutputItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of a call. - name, namespace: of the function; the call tells them already."""

    call_id: ItemId
    output: str | list[Raw]
    type: Literal["function_call_output"] = "function_call_output"
    id: ItemId | None = None
    status: Status | None = None
    name: Name | None = None
    created_by: Any = None
    caller: Any = None
    namespace: Name | None = None


class ReasoningPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of what the model thought."""

    text: str
    type: Literal["summary_text", "reasoning_text"]


class ReasoningItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model thought. - encrypted_content: of another server; only that one can read it."""

    summary: list[ReasoningPart] = []
    content: list[ReasoningPart] | None = None
    encrypted_content: str | None = None
    type: Literal["reasoning"] = "reasoning"
    id: ItemId | None = None
    status: Status | None = None

    @property
    def text(self) -> str:
        """All of it, or else what there is of a summary."""
        return "\n".join(part.text for part in self.content or self.summary)


class SearchItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A search that was made. The model does not see again what an earlier one found."""

    queries: list[str]
    type: Literal["file_search_call"] = "file_search_call"
    id: ItemId | None = None
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None = None
    results: list[Raw] | None = None


class ReferenceItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item of a stored response, by its id."""

    id: ItemId
    type: Literal["item_reference"] | None = None


PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
    "file_search_call": "fs",
}
"""What the ids of items begin with, by their types."""

Item = MessageItem | CallItem | CallOutputItem | ReasoningItem | SearchItem
AnyItem = Item | ReferenceItem

_KINDS: dict[str, type[AnyItem]] = {
    "message": MessageItem,
    "function_call": CallItem,
    "function_call_output": CallOutputItem,
    "reasoning": ReasoningItem,
    "file_search_call": SearchItem,
    "item_reference": ReferenceItem,
}


def item_of(raw: Raw, path: str) -> AnyItem:
    """The item, checked; raises `bad_request`. - path: where it stands in the body."""
    kind = raw.get("type")
    if kind is None:
        kind = "item_reference" if "id" in raw and "role" not in raw else "message"
    if not isinstance(kind, str) or kind not in _KINDS:
        raise bad_request(
            f"Items of the type {str(kind)[:50]!r} are not supported.",
            param=f"{path}.type",
            hint=f"These are: {', '.join(_KINDS)}.",
        )
    item = convert(raw, _KINDS[kind], at=path)
    if isinstance(item, CallItem | CallOutputItem):
        refuse(item, _FUNCTION_RULES, f"{path}.")
    if isinstance(item, MessageItem):
        text_of(item.content, f"{path}.content", refusals=item.role == "assistant")
    elif isinstance(item, CallOutputItem):
        text_of(item.output, f"{path}.output", refusals=False)
    elif isinstance(item, ReasoningItem) and item.encrypted_content and not item.text:
        raise bad_request(
            "Encrypted reasoning of another server cannot be read.", param=path, hint="Leave the item out."
        )
    return item


def text_of(content: str | Sequence[Raw], path: str, *, refusals: bool) -> str:
    """The text of a message or a call's output; raises `bad_request` for a part that is none.

    - refusals: parts that say that the model would not answer are text too.
    """
    if isinstance(content, str):
        return content
    return "\n".join(_part_text(part, f"{path}[{index}]", refusals) for index, part in enumerate(content))


def stored(item: Item, id_: str) -> Raw:
    """The item as it is kept and listed. - id_: what it is called from now on; what clients send need not be unique."""
    raw: Raw = {
        name: value for name, value in msgspec.to_builtins(item).items() if value is not None and name not in _NOT_KEPT
    }
    if isinstance(item, MessageItem):
        kind = "output_text" if item.role == "assistant" else "input_text"
        parts = [{"type": kind, "text": item.content}] if isinstance(item.content, str) else item.content
        raw["content"] = [_listed(part, kind) for part in parts]
    elif isinstance(item, ReasoningItem):
        raw.setdefault("summary", [])
    return {"status": "completed", **raw, "id": id_}


def new_response_id() -> str:
    """The id of a response."""
    return f"resp_{secrets.token_hex(16)}"


def item_id(kind: str, response: str, place: str) -> str:
    """The id of an item, which tells of which response it is.

    - kind: short, e.g. "msg". - place: a number, with an "i" before it for an item of the input.
    """
    return f"{kind}_{response.removeprefix('resp_')}_{place}"


def response_of(id_: str) -> str | None:
    """The id of the response that an item is of; None where the id is none of ours."""
    match = _ITEM_ID.fullmatch(id_)
    return f"resp_{match['response']}" if match else None


_NOT_KEPT = frozenset({"parsed_arguments", "created_by", "caller", "async", "phase"})


def _listed(part: Raw, kind: str) -> Raw:
    if part["type"] == "refusal":
        return {"type": "refusal", "refusal": part["refusal"]}
    extra = {"annotations": part.get("annotations") or []} if kind == "output_text" else {}
    return {"type": kind, "text": part["text"], **extra}


def _part_text(part: Raw, path: str, refusals: bool) -> str:
    kind = part.get("type")
    for field in part.keys() - _PART_FIELDS:
        raise bad_request(f"'{path}.{field}' is not a field of a part.", param=f"{path}.{field}", hint="Leave it out.")
    name = "refusal" if kind == "refusal" and refusals else "text"
    if kind in ("input_text", "output_text") or name == "refusal":
        text = part.get(name)
        if not isinstance(text, str):
            what = "is missing" if text is None else "is not a text"
            raise bad_request(f"'{path}.{name}' {what}.", param=f"{path}.{name}")
        return text
    if kind == "input_image":
        raise bad_request("No vision: images are not supported.", param=path, hint="Send text parts only.")
    if kind == "input_file":
        raise bad_request(
            "Files in messages are not supported.",
            param=path,
            hint="Put it into a vector store, and use the tool file_search.",
        )
    raise bad_request(
        f"Parts of the type {str(kind)[:50]!r} are not supported.", param=f"{path}.type", hint="Send input_text."
    )
