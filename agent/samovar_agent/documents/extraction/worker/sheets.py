"""Spreadsheets: each sheet is a page with a table."""

from __future__ import annotations

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction.worker.builder import TextBuilder
from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.kreuzberg_library import parse
from samovar_agent.documents.extraction.worker.refusal import RefusedError


def read_sheets(content: bytes, form: Format, title: str) -> Extracted:
    """Read a spreadsheet; raises `RefusedError`."""
    result = parse(content, form, structure=False)  # a node for each cell of a large sheet would fill the memory
    names = result.metadata.get("sheet_names") or []
    builder = TextBuilder()
    for table in result.tables:
        number = table.page_number
        builder.turn(number)
        builder.heading(1, names[number - 1] if 0 < number <= len(names) else f"Sheet {number}")
        builder.table(table.cells)
    if not builder.text():
        raise RefusedError("empty", f"The {form.name} has no cell with content.", media_type=form.media_type)
    return Extracted(
        title=result.metadata.get("title") or title,
        media_type=form.media_type,
        text=builder.text(),
        pages=builder.pages(),
        headings=builder.headings,
    )
