"""The content blocks of a message: what each may hold, and what a model is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import refuse
from samovar_protocol.values import Name


class Block(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """Base of all. - cache_control: without effect; beginnings of prompts are always cached."""

    cache_control: Any = None


class TextBlock(Block, frozen=True, kw_only=True, tag="text"):
    """Text."""

    text: str
    citations: list[Any] | None = None


class ImageBlock(Block, frozen=True, kw_only=True, tag="image"):
    """An image, which no model here can see yet."""

    source: Any
    transformations: Any = None


class Citations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the reply shall cite a block."""

    enabled: bool | None = None


class PlainText(msgspec.Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A document that is one text."""

    data: str
    media_type: Literal["text/plain"] = "text/plain"


class ContentSource(msgspec.Struct, frozen=True, tag_field="type", tag="content", forbid_unknown_fields=True):
    """A document in blocks."""

    content: str | list[TextBlock | ImageBlock]


class OtherFile(msgspec.Struct, frozen=True, tag_field="type", tag="base64"):
    """A document that would have to be read first."""


class OtherAddress(msgspec.Struct, frozen=True, tag_field="type", tag="url"):
    """A document that would have to be fetched first."""


class UploadedFile(msgspec.Struct, frozen=True, tag_field="type", tag="file"):
    """A document that was uploaded to Anthropic."""


class DocumentBlock(Block, frozen=True, kw_only=True, tag="document"):
    """A document, shown with its title and what is said about it."""

    source: PlainText | ContentSource | OtherFile | OtherAddress | UploadedFile
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None


class SearchResultBlock(Block, frozen=True, kw_only=True, tag="search_result"):
    """What a search of the client's found, shown as a document."""

    content: list[TextBlock]
    source: str
    title: str
    citations: Citations | None = None


class ThinkingBlock(Block, frozen=True, kw_only=True, tag="thinking"):
    """What an assistant thought. - signature: holds it where it is not shown; nobody here checks it."""

    thinking: str
    signature: str = ""


class RedactedThinkingBlock(Block, frozen=True, kw_only=True, tag="redacted_thinking"):
    """What another service's model thought; only that service can read it, so a model here is shown nothing of it."""

    data: str


class ToolUseBlock(Block, frozen=True, kw_only=True, tag="tool_use"):
    """A call that an assistant made."""

    id: Name
    name: Name
    input: dict[str, Any]
    caller: Any = None
    toolset_name: Any = None


class ToolReferenceBlock(Block, frozen=True, kw_only=True, tag="tool_reference"):
    """A tool that a search of the client's found, to be offered from now on."""

    tool_name: Name


class ToolReference(msgspec.Struct, frozen=True, tag_field="type", tag="tool_reference", forbid_unknown_fields=True):
    """One of the request's tools."""

    name: Name


class ToolAdditionBlock(Block, frozen=True, kw_only=True, tag="tool_addition"):
    """A tool that is offered from now on."""

    tool: ToolReference


class ToolRemovalBlock(Block, frozen=True, kw_only=True, tag="tool_removal"):
    """A tool that is no longer offered."""

    tool: ToolReference


class ToolResultBlock(Block, frozen=True, kw_only=True, tag="tool_result"):
    """What came back of a call."""

    tool_use_id: Name
    content: str | list[TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock] | None = None
    is_error: bool | None = None
    toolset_name: Any = None


ToolChangeBlock = ToolAdditionBlock | ToolRemovalBlock
ShownBlock = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock
AnyBlock = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock
    | ToolAdditionBlock
    | ToolRemovalBlock
)

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {"caller": ({"type": "direct"},), "toolset_name": ()}


def shown(block: ShownBlock, path: str) -> str:
    """What a model is shown of a block; raises `bad_request` for what has no text. - path: of it in the body."""
    match block:
        case TextBlock():
            if block.citations:
                raise bad_request("Citations are not supported.", param=f"{path}.citations", hint="Leave them out.")
            return block.text
        case ImageBlock():
            raise bad_request(
                "Images are not supported: no model here has vision.", param=path, hint="Send text blocks only."
            )
        case DocumentBlock():
            _refuse_citations(block.citations, path)
            return _document(_source(block, path), title=block.title, about=block.context)
        case SearchResultBlock():
            _refuse_citations(block.citations, path)
            return _document(_joined(block.content, path), title=block.title, about=block.source)
        case ToolReferenceBlock():
            return told_change(block.tool_name, True)


def result_text(block: ToolResultBlock, path: str) -> str:
    """What came of a call, as a model is shown it; raises `bad_request`."""
    refuse(block, {"toolset_name": ()}, f"{path}.")
    content = block.content or ""
    text = content if isinstance(content, str) else _joined(content, path)
    return f"Error: {text}" if block.is_error else text


def check_call(block: ToolUseBlock, path: str) -> None:
    """Raise `bad_request` for a call of another kind than a client's own tools."""
    refuse(block, _ASKS_FOR_NOTHING, f"{path}.")


def tool_changes(block: ToolResultBlock | ToolChangeBlock) -> dict[str, bool]:
    """The tools that a block makes available, or takes away."""
    match block:
        case ToolAdditionBlock(tool=tool):
            return {tool.name: True}
        case ToolRemovalBlock(tool=tool):
            return {tool.name: False}
        case ToolResultBlock(content=content):
            blocks = content if isinstance(content, list) else []
            return {one.tool_name: True for one in blocks if isinstance(one, ToolReferenceBlock)}


def told_change(name: str, available: bool) -> str:
    """The sentence about it that a model is shown."""
    return f"The tool '{name}' can be called now." if available else f"The tool '{name}' can be called no more."


def _joined(blocks: Sequence[ShownBlock], path: str) -> str:
    return "\n\n".join(shown(block, f"{path}.content[{index}]") for index, block in enumerate(blocks))


def _source(block: DocumentBlock, path: str) -> str:
    match block.source:
        case PlainText(data=text) | ContentSource(content=str(text)):
            return text
        case ContentSource(content=list(blocks)):
            return _joined(blocks, f"{path}.source")
        case _:
            raise bad_request(
                "Only documents of plain text are supported.",
                param=f"{path}.source.type",
                hint="Send the document's text as a source of type 'text'.",
            )


def _document(text: str, *, title: str | None, about: str | None) -> str:
    head = "\n".join(part for part in (title, about) if part)
    return f"<document>\n{head}\n\n{text}\n</document>" if head else f"<document>\n{text}\n</document>"


def _refuse_citations(citations: Citations | None, path: str) -> None:
    if citations is not None and citations.enabled:
        raise bad_request(
            "Citations are not supported.", param=f"{path}.citations.enabled", hint="Send false, or leave it out."
        )
