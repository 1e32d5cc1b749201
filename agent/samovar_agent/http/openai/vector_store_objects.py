"""Vector stores, their files and batches, as OpenAI shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from samovar_agent.documents.extracted import Problem, Reason
from samovar_agent.store.attachments import AttachmentRow, AttachmentStatus, Attributes, BatchRow
from samovar_agent.store.vector_stores import VectorStoreRow

STORE_PREFIX, FILE_PREFIX, BATCH_PREFIX = "vs_", "file-", "vsfb_"

_UNSUPPORTED: frozenset[Reason] = frozenset({"unsupported", "mislabelled"})
_OURS: frozenset[Reason] = frozenset({"too_slow", "out_of_memory", "crashed", "unreadable"})


class FileCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many files are in which status."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    total: int = 0


class StoreObject(msgspec.Struct, frozen=True, kw_only=True):
    """A vector store. - samovar: the collection that it is, as everybody else knows it."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["in_progress", "completed"]
    expires_after: None = None
    expires_at: None = None
    last_active_at: int | None = None
    metadata: dict[str, str]
    samovar: dict[str, str]


class LastError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file cannot be searched."""

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class OtherChunking(msgspec.Struct, frozen=True, kw_only=True):
    """Neither of the sizes that a client can ask for."""

    type: Literal["other"] = "other"


class StoreFileObject(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a vector store."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: int
    vector_store_id: str
    usage_bytes: int
    status: AttachmentStatus
    last_error: LastError | None
    attributes: Attributes
    chunking_strategy: OtherChunking = OtherChunking()


class BatchObject(msgspec.Struct, frozen=True, kw_only=True):
    """Files that were attached together."""

    id: str
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: AttachmentStatus
    file_counts: FileCounts


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """What is no more."""

    id: str
    object: Literal["vector_store.deleted", "vector_store.file.deleted"]
    deleted: bool = True


class Content(msgspec.Struct, frozen=True):
    """Text of a file."""

    text: str
    type: Literal["text"] = "text"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at once, in the shape of what could have more pages."""

    object: Literal["vector_store.file_content.page", "vector_store.search_results.page"]
    data: list[Any]
    has_more: bool = False
    next_page: None = None


def store_object(row: VectorStoreRow) -> StoreObject:
    """A collection as a vector store."""
    return StoreObject(
        id=f"{STORE_PREFIX}{row.id}",
        created_at=int(row.created_at),
        name=row.name,
        description=row.description,
        usage_bytes=row.size,
        file_counts=_counts(row.counts),
        status="in_progress" if row.busy else "completed",
        metadata=row.metadata,
        samovar={"collection": row.collection},
    )


def file_object(row: AttachmentRow) -> StoreFileObject:
    """A file in a collection as one in a vector store."""
    return StoreFileObject(
        id=f"{FILE_PREFIX}{row.file}",
        created_at=int(row.created_at),
        vector_store_id=f"{STORE_PREFIX}{row.collection}",
        usage_bytes=row.size,
        status=row.status,
        last_error=_last_error(row) if row.status == "failed" else None,
        attributes=row.attributes,
    )


def batch_object(row: BatchRow) -> BatchObject:
    """How far a batch is. It has failed where all of its files have."""
    counts = _counts(row.counts)
    status: AttachmentStatus = "completed"
    if row.cancelled:
        status = "cancelled"
    elif counts.in_progress:
        status = "in_progress"
    elif counts.total and counts.failed == counts.total:
        status = "failed"
    return BatchObject(
        id=f"{BATCH_PREFIX}{row.id}",
        created_at=int(row.created_at),
        vector_store_id=f"{STORE_PREFIX}{row.collection}",
        status=status,
        file_counts=counts,
    )


def _counts(counts: Mapping[AttachmentStatus, int]) -> FileCounts:
    return FileCounts(
        in_progress=counts.get("in_progress", 0),
        completed=counts.get("completed", 0),
        failed=counts.get("failed", 0),
        cancelled=counts.get("cancelled", 0),
        total=sum(counts.values()),
    )


def _last_error(row: AttachmentRow) -> LastError:
    try:
        problem = msgspec.json.decode(row.problem or "", type=Problem)
    except msgspec.MsgspecError:  # by a newer or older part of the agent
        return LastError(code="server_error", message="It could not be read.")
    code: Literal["server_error", "unsupported_file", "invalid_file"] = "invalid_file"
    if problem.reason in _UNSUPPORTED:
        code = "unsupported_file"
    elif problem.reason in _OURS:
        code = "server_error"
    return LastError(code=code, message=f"{problem.message} {problem.hint}".strip())
