"""What clients send about vector stores. Everything that is not done here is refused, with what to do instead."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from samovar_agent.http.errors import bad_request
from samovar_agent.http.query import number_of
from samovar_agent.store.attachments import Attributes
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Name

MOST_FILES = 2000
"""In one request."""

_EXACT = 2**53
"""Larger whole numbers are others once a client has read them."""

Key = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(max_length=512)]
Metadata = Annotated[dict[Key, Text], Meta(max_length=16)]
AnyAttributes = Annotated[
    dict[Key, Text | bool | Annotated[int, Meta(ge=-_EXACT, le=_EXACT)] | float], Meta(max_length=16)
]
FileIds = Annotated[list[str], Meta(max_length=MOST_FILES)]


class AutoChunking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="auto"):
    """By structure, sized for the embedding model: what is always done."""


class ChunkSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes in tokens."""

    max_chunk_size_tokens: Annotated[int, Meta(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Meta(ge=0, le=2048)]


class StaticChunking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="static"):
    """In sizes that the client says."""

    static: ChunkSizes


Chunking = AutoChunking | StaticChunking


class CreateStore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a new vector store. - description: for people."""

    name: Name | None = None
    description: Annotated[str, Meta(max_length=2000)] | None = None
    file_ids: FileIds | None = None
    metadata: Metadata | None = None
    chunking_strategy: Chunking | None = None
    expires_after: Any = None


class ChangeStore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a change. - metadata: null removes it."""

    name: Name | None = None
    metadata: Metadata | UnsetType | None = UNSET
    expires_after: Any = None


class AttachFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file to attach. - attributes: by which searches can filter."""

    file_id: str
    attributes: AnyAttributes | None = None
    chunking_strategy: Chunking | None = None


class ChangeFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other attributes of an attached file; null removes them."""

    attributes: AnyAttributes | None


class CreateBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files to attach together: ids with the same attributes, or each with its own."""

    file_ids: FileIds | None = None
    files: Annotated[list[AttachFile], Meta(max_length=MOST_FILES)] | None = None
    attributes: AnyAttributes | None = None
    chunking_strategy: Chunking | None = None

    def to_files(self) -> dict[int, Attributes]:
        """Which files, with which attributes. Raises `bad_request`, `not_found`."""
        if (self.file_ids is None) == (self.files is None):
            raise bad_request("Either 'file_ids' or 'files' is needed, and not both.", param="file_ids")
        if self.files is None:
            refuse_static(self.chunking_strategy)
            wanted = {
                file_number(id_, f"file_ids[{n}]"): self.attributes or {} for n, id_ in enumerate(self.file_ids or [])
            }
        else:
            for name in ("attributes", "chunking_strategy"):
                if getattr(self, name) is not None:
                    raise bad_request(f"'{name}' does not go with 'files'.", param=name, hint="Give it with each file.")
            wanted = {}
            for n, file in enumerate(self.files):
                refuse_static(file.chunking_strategy, f"files[{n}].")
                number = file_number(file.file_id, f"files[{n}].file_id")
                if number in wanted:
                    raise bad_request(f"'{file.file_id}' is there twice.", param=f"files[{n}].file_id")
                wanted[number] = file.attributes or {}
        if not wanted:
            raise bad_request("There are no files in the batch.", param="file_ids" if self.files is None else "files")
        return wanted


def refuse_static(strategy: Chunking | None, path: str = "") -> None:
    """Raise `bad_request` for chunks of a given size."""
    if isinstance(strategy, StaticChunking):
        raise bad_request(
            "Chunks of a fixed size are not made here: they follow each document's structure and the embedding model.",
            param=f"{path}chunking_strategy",
            hint="Leave it out, or send {'type': 'auto'}.",
        )


def refuse_expiry(expires_after: object) -> None:
    """Raise `bad_request` where something is to go by itself."""
    if expires_after is not None:
        raise bad_request(
            "Nothing expires by itself here.",
            param="expires_after",
            hint="Leave it out, and delete what is not needed.",
        )


def file_number(id_: str, param: str) -> int:
    """The number in a file's id. Raises `not_found`."""
    if (number := number_of(id_, "file-")) is None:
        raise SamovarError(
            FailureCode.NOT_FOUND,
            f"There is no file '{id_[:40]}'.",
            hint="Upload it first.",
            details={"param": param},
        )
    return number
