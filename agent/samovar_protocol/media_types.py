"""What documents of each kind are called: by the agent that reads them, and in a filter of a search."""

from __future__ import annotations

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"

MEDIA_TYPES: dict[str, str] = {
    "pdf": "application/pdf",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "odt": f"{_OPEN_DOCUMENT}.text",
    "ods": f"{_OPEN_DOCUMENT}.spreadsheet",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "text/html",
    "eml": "message/rfc822",
    "msg": "application/vnd.ms-outlook",
    "ipynb": "application/x-ipynb+json",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
}
"""By the ending of a file's name, without the dot. Other texts are called as Python's own table has it."""
