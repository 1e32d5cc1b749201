"""The library that parses documents, as it is used here: offline, without recognition of pictures, without a cache.

Everything of it that could download something (recognition, models, grammars of programming languages) stays off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.refusal import RefusedError

if TYPE_CHECKING:
    from kreuzberg import ExtractionResult

PAGE_MARK = "\ue000"
"""Stands around the number where a page begins. For private use in Unicode, so that no ordinary text holds it."""
_PASSWORD = ("password", "encrypt")
_BOMB = ("bomb", "too large", "too many", "exceeds")
_DEEP = ("nest", "depth", "recursion")


def parse(content: bytes, form: Format, *, structure: bool) -> ExtractionResult:
    """Parse a document; raises `RefusedError`. - structure: headings, paragraphs and tables as nodes; else tables."""
    import kreuzberg

    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        # Only with Markdown asked for, PDF's headings are looked for at all.
        output_format="markdown" if structure else "plain",
        include_document_structure=structure,
        pages=kreuzberg.PageConfig(
            extract_pages=True,
            insert_page_markers=True,
            marker_format=f"\n\n{PAGE_MARK}{{page_num}}{PAGE_MARK}\n\n",
        ),
        postprocessor=kreuzberg.PostProcessorConfig(enabled=False),
    )
    config.max_archive_depth = 0  # attachments and embedded files are documents of their own
    try:
        return kreuzberg.extract_bytes_sync(content, form.media_type, config)
    except MemoryError:
        raise
    except Exception as error:
        raise _refused(str(error), form) from error


def _refused(said: str, form: Format) -> RefusedError:
    lower = said.lower()
    if any(word in lower for word in _PASSWORD):
        return RefusedError(
            "encrypted",
            f"The {form.name} needs a password.",
            hint="Save it without a password and add it again.",
            media_type=form.media_type,
        )
    if any(word in lower for word in _DEEP):
        return RefusedError("too_deep", f"The {form.name} is nested deeper than is read.", media_type=form.media_type)
    if any(word in lower for word in _BOMB):
        return RefusedError("too_large", f"The {form.name} holds too much.", media_type=form.media_type)
    return damaged(form)


def damaged(form: Format) -> RefusedError:
    """The file is not what its format says."""
    return RefusedError(
        "damaged",
        f"The {form.name} cannot be read; it may be damaged or cut off.",
        hint="Copy it again from where it came, or save it anew with the program that made it.",
        media_type=form.media_type,
    )
