"""Documents with structure: their nodes become text, headings and pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from samovar_agent.documents.extracted import Extracted, Problem
from samovar_agent.documents.extraction.worker.builder import TextBuilder
from samovar_agent.documents.extraction.worker.formats import EMAIL, HTML, OUTLOOK, PDF
from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.kreuzberg_library import PAGE_MARK, damaged, parse
from samovar_agent.documents.extraction.worker.packages import ZIP, is_sound
from samovar_agent.documents.extraction.worker.refusal import RefusedError

_MARKED_PAGE = re.compile(f"{PAGE_MARK}([0-9]+){PAGE_MARK}")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_RUNNING = {"header", "footer"}
"""Layers that stand on every page again."""
# What is not closed goes to the end of the file: it was cut off there, or wants to be searched for its end very often.
_HIDDEN = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(head|script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(rb"<[^>]*(?:>|\Z)")
_TITLE_LENGTH = 300
_MESSAGES = (EMAIL, OUTLOOK)
_LANGUAGE = re.compile(r"([a-z]{2})(?:[-_].*)?", re.IGNORECASE)
_LOST_SHARE = 0.8
"""Where a PDF's structure holds less than this of its letters, its lines are taken as they come."""
_EMPTY_SHARE = 0.5


def read_document(content: bytes, form: Format, title: str) -> Extracted:
    """Read a document; raises `RefusedError`."""
    result = parse(content, form, structure=True)
    metadata: Any = result.metadata
    nodes: Sequence[Any] = (result.document or {"nodes": []})["nodes"]
    builder = TextBuilder()
    _add_nodes(builder, nodes)
    pages: Sequence[Any] = result.pages or []
    if form is PDF and _letters([builder.text()]) < _LOST_SHARE * _letters(page["content"] for page in pages):
        builder = TextBuilder()
        _add_pages(builder, pages)
    text = builder.text()
    count = int(metadata.get("page_count") or len(pages)) if form is PDF else 0
    if not text:
        raise _without_text(form, count, content)
    return Extracted(
        title=_title(metadata, form) or title,
        media_type=form.media_type,
        text=text,
        language=_language(metadata.get("language")),
        pages=builder.pages(),
        headings=builder.headings,
        problem=_scanned_pages(count, len(builder.pages())),
    )


def _add_nodes(builder: TextBuilder, nodes: Sequence[Any]) -> None:
    marked = False
    for node in nodes:
        if node.get("content_layer") in _RUNNING:
            continue
        content = node["content"]
        if mark := _MARKED_PAGE.fullmatch(str(content.get("text") or "").strip()):
            builder.turn(int(mark[1]))
            marked = True
            continue
        if not marked and (number := node.get("page")):
            builder.turn(number)
        _add_node(builder, content)


def _add_node(builder: TextBuilder, content: Any) -> None:
    match content:
        case {"node_type": "title", "text": text}:
            builder.heading(1, text)
        case {"node_type": "heading", "level": level, "text": text}:
            builder.heading(level, text)
        case {"node_type": "list_item", "text": text}:
            builder.item(_plain(text))
        case {"node_type": "code", "text": text}:
            builder.code(text)
        case {"node_type": "formula" | "footnote" | "citation", "text": text}:
            builder.paragraph(text)
        case {"node_type": "paragraph", "text": text}:
            builder.paragraph(_plain(text))
        case {"node_type": "table", "grid": grid}:
            builder.table(_rows(grid))
        case {"node_type": "definition_item", "term": term, "definition": definition}:
            builder.item(f"{term}: {definition}")
        case {"node_type": "metadata_block", "entries": entries}:
            builder.paragraph("\n".join(f"{key}: {value}" for key, value in entries))
        case {"node_type": "slide", "title": str(text)}:
            builder.heading(2, text)
        case {"node_type": "admonition", "title": str(text)}:
            builder.paragraph(text)
        case {"node_type": "image", "description": str(text)}:
            builder.paragraph(text)


def _add_pages(builder: TextBuilder, pages: Sequence[Any]) -> None:
    for page in pages:
        builder.turn(page["page_number"])
        for paragraph in _MARKED_PAGE.sub("", page["content"]).split("\n\n"):
            builder.paragraph(paragraph)


def _rows(grid: Any) -> list[list[str]]:
    rows = [[""] * grid["cols"] for _ in range(grid["rows"])]
    for cell in grid["cells"]:
        rows[cell["row"]][cell["col"]] = cell["content"]
    return rows


def _plain(text: str) -> str:
    """Without what stands for a picture or a comment; a picture's description stays."""
    return _PICTURE.sub(r"\1", _COMMENT.sub("", text)) if "![" in text or "<!--" in text else text


def _letters(texts: Iterable[str]) -> int:
    return sum(len("".join(text.split())) for text in texts)


def _title(metadata: Any, form: Format) -> str:
    title = str(metadata.get("subject" if form in _MESSAGES else "title") or "")
    return " ".join(title.split())[:_TITLE_LENGTH]


def _language(tag: object) -> str | None:
    found = _LANGUAGE.fullmatch(tag.strip()) if isinstance(tag, str) else None
    return found[1].lower() if found else None


def _without_text(form: Format, pages: int, content: bytes) -> RefusedError:
    if form is PDF:
        return RefusedError(
            "no_text",
            f"It has {_count(pages)} and no text: it was probably scanned.",
            hint="Recognise its text with an OCR program, for example OCRmyPDF, and add the result.",
            media_type=form.media_type,
        )
    if content.startswith(ZIP) and not is_sound(content):
        return damaged(form)
    if form is HTML and _TAG.sub(b"", _HIDDEN.sub(b"", content)).strip():
        return RefusedError("too_deep", "The HTML page is nested deeper than is read.", media_type=form.media_type)
    return RefusedError("empty", f"There is no text in the {form.name}.", media_type=form.media_type)


def _scanned_pages(pages: int, with_text: int) -> Problem | None:
    if pages - with_text <= pages * _EMPTY_SHARE:
        return None
    return Problem(
        reason="no_text",
        message=f"{pages - with_text} of its {_count(pages)} have no text: they were probably scanned.",
        hint="Recognise their text with an OCR program, for example OCRmyPDF, and add the result.",
    )


def _count(pages: int) -> str:
    return "1 page" if pages == 1 else f"{pages:,} pages"
