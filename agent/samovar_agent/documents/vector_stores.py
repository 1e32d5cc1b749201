"""Uploaded files in collections, as OpenAI's clients know it: a vector store is a collection, a file a document of it.

    row = await stores.create("Notes", description=None, metadata={})
    await stores.attach(row.id, {7: {"year": 2026}})
    await stores.delete_file(7)             # from all collections

Changes happen one after the other, and wholly, also where the client has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from samovar_agent.documents.service import DocumentService
from samovar_agent.documents.uploaded_files import UploadedFiles
from samovar_agent.store.attachments import AttachmentRow, Attributes, BatchRow, NewAttachment
from samovar_agent.store.files import FileRow
from samovar_agent.store.store import Store
from samovar_agent.store.vector_stores import VectorStoreRow
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.requests import DocsAdd, DocsChange, DocsCreate, DocsRm

T = TypeVar("T")

_LONGEST_NAME = 300


class VectorStores:
    """Everything that changes them; reading is the store's."""

    def __init__(self, store: Store, documents: DocumentService, files: UploadedFiles) -> None:
        self._store, self._documents, self._files = store, documents, files
        self._changing = asyncio.Lock()

    async def create(
        self,
        name: str | None,
        *,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        files: Mapping[int, Attributes] | None = None,
    ) -> VectorStoreRow:
        """A new one. - name: others may have it too; None for any. - files: to attach. Raises `not_found` for those."""

        async def work() -> VectorStoreRow:
            rows = await self._find_files(list(files or ()))
            wanted = name or "Vector store"
            called = await self._free_name(wanted)
            collection = await self._documents.create(DocsCreate(name=called))
            called = collection.name
            try:
                await self._store.vector_stores.put(
                    collection.id, name=wanted, called=called, description=description, metadata=metadata or {}
                )
                await self._attach(collection.id, rows, files or {}, None)
            except BaseException:
                await self._documents.delete(called)
                raise
            return await self._store.vector_stores.get(collection.id)

        return await self._wholly(work())

    async def change(self, id_: int, *, name: str | None, metadata: dict[str, str] | None) -> VectorStoreRow:
        """Another name or metadata; None keeps what there is. Raises `not_found`."""

        async def work() -> VectorStoreRow:
            row = await self._store.vector_stores.get(id_)
            called = row.collection
            if name is not None and name != row.name:
                called = await self._free_name(name)
                called = (await self._documents.change(DocsChange(collection=row.collection, rename=called))).name
            await self._store.vector_stores.put(
                id_,
                name=row.name if name is None else name,
                called=called,
                description=row.description,
                metadata=row.metadata if metadata is None else metadata,
            )
            return await self._store.vector_stores.get(id_)

        return await self._wholly(work())

    async def delete(self, id_: int) -> None:
        """Remove the collection; files stay. Raises `not_found`."""

        async def work() -> None:
            await self._documents.delete((await self._store.vector_stores.get(id_)).collection)

        await self._wholly(work())

    async def attach(self, id_: int, files: Mapping[int, Attributes]) -> None:
        """Make documents of files; they are read in the background. Raises `not_found`."""

        async def work() -> None:
            await self._attach(id_, await self._find_files(list(files)), files, None)

        await self._wholly(work())

    async def attach_batch(self, id_: int, files: Mapping[int, Attributes]) -> int:
        """The same, with a batch's id to ask how far it is."""

        async def work() -> int:
            rows = await self._find_files(list(files))
            await self._store.vector_stores.get(id_)
            batch = await self._store.attachments.create_batch(id_)
            try:
                await self._attach(id_, rows, files, batch)
            except BaseException:
                await self._store.attachments.delete_batch(batch)
                raise
            return batch

        return await self._wholly(work())

    async def cancel_batch(self, batch: BatchRow) -> None:
        """Remove those of its files that nobody has read yet."""

        async def work() -> None:
            collection = (await self._store.vector_stores.get(batch.collection)).collection
            rows = [
                row
                for row in await self._store.attachments.all(batch.collection)
                if row.batch == batch.id and row.status == "in_progress"
            ]
            await self._store.attachments.cancel_batch(batch.id)
            if rows:
                await self._store.attachments.mark_cancelled([row.id for row in rows])
                await self._remove(collection, rows)

        await self._wholly(work())

    async def detach(self, row: AttachmentRow) -> None:
        """The file is no longer in the collection."""

        async def work() -> None:
            collection = (await self._store.vector_stores.get(row.collection)).collection
            await self._detach(collection, row)

        await self._wholly(work())

    async def set_attributes(self, row: AttachmentRow, attributes: Attributes) -> None:
        """Give a file in a collection other attributes."""
        await self._wholly(self._store.attachments.set_attributes(row.collection, row.file, attributes))

    async def delete_file(self, id_: int) -> None:
        """Remove a file, also from all collections. Raises `not_found`."""

        async def work() -> None:
            await self._store.files.get(id_)
            for row in await self._store.attachments.of_file(id_):
                collection = (await self._store.vector_stores.get(row.collection)).collection
                await self._detach(collection, row)
            await self._files.delete(id_)

        await self._wholly(work())

    async def _attach(
        self, id_: int, rows: Sequence[FileRow], attributes: Mapping[int, Attributes], batch: int | None
    ) -> None:
        if not rows:
            return
        collection = (await self._store.vector_stores.get(id_)).collection
        paths = [str(self._files.path(row)) for row in rows]
        reply = await self._documents.add(
            DocsAdd(collection=collection, paths=paths, watch=False, wait=False), on_progress=lambda progress: None
        )
        # By folder and name: what lies above may have been resolved.
        documents = {Path(found.path).parts[-2:]: found.id for found in reply.documents if found.path is not None}
        became = {row.id: documents.get((str(row.id), row.name)) for row in rows}
        if lost := [row for row in rows if became[row.id] is None]:
            problem = next(iter(reply.problems.values()), "it could not be read")
            raise SamovarError(
                FailureCode.INTERNAL,
                f"'{lost[0].name}' (file-{lost[0].id}) could not be added: {problem.rstrip('.')}.",
                hint="Delete it and upload it again.",
            )
        added = [
            NewAttachment(file, document, attributes[file]) for file, document in became.items() if document is not None
        ]
        await self._store.attachments.put(id_, added, batch)

    async def _detach(self, collection: str, row: AttachmentRow) -> None:
        if row.document is not None:
            await self._remove(collection, [row])
        await self._store.attachments.delete(row.collection, row.file)

    async def _remove(self, collection: str, rows: Sequence[AttachmentRow]) -> None:
        ids = [row.document for row in rows if row.document is not None]
        try:
            await self._documents.rm(DocsRm(collection=collection, documents=ids))
        except SamovarError as error:
            if error.code != FailureCode.NOT_FOUND:
                raise
            if len(rows) > 1:  # somebody else was faster with one of them
                for row in rows:
                    await self._remove(collection, [row])

    async def _find_files(self, ids: Sequence[int]) -> list[FileRow]:
        """All of these, in this order; raises `not_found`."""
        found = {row.id: row for row in await self._store.files.find(ids)}
        return [found.get(id_) or await self._store.files.get(id_) for id_ in ids]

    async def _free_name(self, wanted: str) -> str:
        """What the collection can be called: the name itself, or with a number behind it."""
        taken = {row.name for row in await self._store.collections.ls()}
        wanted = " ".join(wanted.split())  # as collections are called
        name, number = wanted, 1
        while name in taken:
            number += 1
            tail = f" ({number})"
            name = wanted[: _LONGEST_NAME - len(tail)] + tail
        return name

    async def _wholly(self, work: Coroutine[Any, Any, T]) -> T:
        async def alone() -> T:
            async with self._changing:
                return await work

        return await asyncio.shield(alone())
