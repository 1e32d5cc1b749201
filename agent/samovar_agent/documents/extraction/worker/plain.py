"""Files that are text already."""

from __future__ import annotations

import msgspec

from samovar_agent.documents.extracted import Extracted, Heading
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.worker.encoding import decode
from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.markdown import headings_of
from samovar_agent.documents.extraction.worker.refusal import RefusedError, megabytes

_LONG_LINE = 2000


def read_plain(content: bytes, form: Format, title: str, limits: Limits) -> Extracted:
    """Plain text, Markdown, tables of values, JSON and source code; raises `RefusedError`."""
    if len(content) > 4 * limits.text_bytes:  # no encoding makes it small enough
        raise RefusedError(
            "too_large",
            f"It has more than {megabytes(limits.text_bytes)} of text.",
            hint="Divide it into several files.",
            media_type=form.media_type,
        )
    text = decode(content)
    if not text.strip():
        raise RefusedError("empty", "There is nothing but blanks in the file.", media_type=form.media_type)
    headings: list[Heading] = []
    if form.media_type == "text/markdown":
        headings = headings_of(text)
        title = next((heading.text for heading in headings if heading.level == 1), title)
    elif form.media_type == "application/json":
        text = _with_lines(text)
    return Extracted(title=title, media_type=form.media_type, text=text, headings=headings)


def _with_lines(text: str) -> str:
    """JSON that was written on one line, on many: what is found in it is shown to people."""
    if max(map(len, text.split("\n"))) <= _LONG_LINE:
        return text
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, RecursionError):
        return text
