"""Which documents a search by attributes is about, and what documents are called by those who uploaded them."""

from __future__ import annotations

from collections.abc import Iterable

from samovar_agent.http.errors import bad_request
from samovar_agent.http.openai.attribute_filters import AttributeFilter, check, matches
from samovar_agent.http.openai.vector_store_objects import FILE_PREFIX
from samovar_agent.store.attachments import AttachmentRow, Attachments

MOST_DOCUMENTS = 10_000
"""That a filter may choose."""


async def filtered_documents(
    attachments: Attachments, collections: Iterable[int], filters: AttributeFilter | None, path: str = "filters"
) -> tuple[int, ...] | None:
    """The documents that the filter chooses; None for all, where there is no filter. Raises `bad_request`.

    Only files that were attached have attributes, and nothing else is chosen. Who is given no document at all must not
    search: a search for documents of none is one in all.

    - path: where the filter stands in the body.
    """
    if filters is None:
        return None
    check(filters, path)
    rows = [row for collection in collections for row in await attachments.all(collection)]
    chosen = tuple(row.document for row in rows if row.document is not None and matches(filters, row.attributes))
    if len(chosen) > MOST_DOCUMENTS:
        raise bad_request(
            f"The filter chooses {len(chosen):,} files; {MOST_DOCUMENTS:,} are the limit.",
            param=path,
            hint="Ask for less at once.",
        )
    return chosen


def shown_id(document: int, file: AttachmentRow | None) -> str:
    """A document's id as OpenAI's clients know it. - file: that it was made of; None where it was not uploaded."""
    return f"{FILE_PREFIX}{file.file}" if file is not None else f"doc-{document}"
