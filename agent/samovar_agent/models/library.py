"""The library: which models are on this machine, under which names, and whether they are sound.

    library = Library(places=places, settings=settings, events=events, store=store)
    await library.open()
    library.find("smollm2-135m").header.context_length

Three kinds of files are models: those below our own models folder, those below the folders of the setting
`models.folders` (read only), and those that were imported as a link. The store remembers what the files themselves
cannot say: links, digests, sources.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from samovar_agent.events import EventBus
from samovar_agent.models import placing
from samovar_agent.models.catalog import Catalog
from samovar_agent.models.files import HeaderCache, parts
from samovar_agent.models.gguf import GgufHeader
from samovar_agent.models.gguf_reader import shown
from samovar_agent.models.naming import Named, meant, near
from samovar_agent.models.scan import Entry, ModelFile, Origin, is_model, scan, wanted_name
from samovar_agent.paths import safe_path
from samovar_agent.settings import SettingsFile
from samovar_agent.store.models import ModelRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, Places, SamovarError
from samovar_protocol.events import LibraryChanged
from samovar_protocol.replies import RmReply
from samovar_protocol.values import ModelInfo, Progress

__all__ = ["Library", "ModelFile"]

OnProgress = Callable[[Progress], None]


class Library:
    """The models on this machine. Used from the event loop's thread; the disk is touched in others."""

    def __init__(self, *, places: Places, settings: SettingsFile, events: EventBus, store: Store) -> None:
        self._places = places
        self._settings = settings
        self._events = events
        self._store = store
        self._entries: dict[str, Entry] = {}
        self._changing = asyncio.Lock()
        self._importing = asyncio.Lock()  # apart, because a copy takes minutes in which everything else goes on
        self._headers: HeaderCache | None = None

    async def open(self) -> None:
        """Read the store and look through the folders; a file that is broken is listed as such and stops nothing."""
        await self.refresh()

    async def refresh(self) -> None:
        """Look through the folders again; tells everyone where something changed."""
        async with self._changing:
            await self._rescan()

    def ls(self) -> list[ModelInfo]:
        """All models sorted by key, also those that are broken, missing or partial."""
        return [entry.info for entry in self._entries.values()]

    def key_of(self, name: str) -> str:
        """The key of the model that `name` means, whatever its state; raises `model_unknown` or `model_ambiguous`.

        - name: a key, an alias, a model's name alone, any of them with `@quantization`, or a unique part of a key that
          begins where a word begins. Case does not matter.
        """
        found = meant(name, [_named(entry) for entry in self._entries.values()])
        # One that is still on its way must not make the name of one that is here ambiguous.
        found = [key for key in found if self._entries[key].info.state != "partial"] or found
        if len(found) == 1:
            return found[0]
        if found:
            raise SamovarError(
                FailureCode.MODEL_AMBIGUOUS,
                f"'{name}' can be {', '.join(found)}.",
                hint="Name one of them in full.",
                details={"models": found},
            )
        raise self._unknown(name)

    def find(self, name: str) -> ModelFile:
        """The model that `name` means (see `key_of`), checked to be there as it was read.

        Raises `model_unknown`, `model_ambiguous`, `model_file_missing`, `model_file_broken` or `model_unsupported`.
        """
        known = self._entries[self.key_of(name)]
        entry = known.looked_at(self._cache())
        if entry != known:
            self._entries[entry.info.key] = entry
            self._events.publish(LibraryChanged(models=len(self._entries)))
        if entry.info.state == "partial":
            raise SamovarError(
                FailureCode.MODEL_FILE_MISSING,
                f"{entry.info.key} is not fully here: {entry.info.problem}",
                hint="Get it again to complete it.",
            )
        return ModelFile(info=entry.info, header=self._cache().read(entry.path))

    def present(self, *, sha256: str, size_bytes: int, file_name: str) -> ModelInfo | None:
        """A ready model with this digest, or, where nobody computed one, with this file name and size."""
        for entry in self._entries.values():
            digest = entry.row.sha256 if entry.row else None
            same = digest == sha256 if digest else (entry.path.name, entry.info.size_bytes) == (file_name, size_bytes)
            if same and entry.info.state == "ready":
                return entry.info
        return None

    async def import_(self, path: str, *, mode: str, name: str | None, on_progress: OnProgress) -> ModelInfo:
        """Take a GGUF file into the library; one that is there already is returned as it is.

        - path: absolute. - mode: "link" uses it where it lies; "hardlink", "copy" and "move" bring it into our folder.
        - name: `publisher/name`; None takes the publisher that the file states, and its file name.
        Raises `bad_request`, `path_refused`, `disk_full`, or as `find` does where the file is no sound model.
        """
        source = Path(path)
        if not source.is_absolute():
            raise SamovarError(FailureCode.BAD_REQUEST, f"{path} is not an absolute path.", hint="Name it in full.")
        async with self._importing:
            header = await asyncio.to_thread(self._sound, source)
            await self.refresh()
            known = self._at(source)
            if known and (known.origin == "library" or (mode == "link" and name is None)):
                return known.info
            publisher, model_name = wanted_name(name, header, source)
            folder = safe_path(self._places.models, publisher, model_name)
            self._refuse_taken(publisher, model_name, source)
            if mode == "link":
                placed = placing.Placed(source, None)
            else:
                placed = await placing.place(source, folder, mode=mode, on_progress=on_progress)
            row = self._row(placed.path, publisher, model_name, "link" if mode == "link" else "library", placed.sha256)
            async with self._changing:
                return await self._add(row, instead_of=known.row if known else None)

    async def add(self, path: Path, publisher: str, name: str, *, sha256: str, source: str) -> ModelInfo:
        """List a file that was downloaded into our folder. - source: JSON, where it came from.

        Raises `model_file_broken` or `model_unsupported` for a file that is no sound model; it is not listed then.
        """
        async with self._changing:
            await asyncio.to_thread(self._sound, path)
            return await self._add(self._row(path, publisher, name, "library", sha256, source))

    async def rm(self, name: str) -> RmReply:
        """Delete a model's files, or forget a link and leave its file alone.

        Raises `model_unknown`, `model_ambiguous`, or `bad_request` for a model in a read-only folder.
        """
        async with self._changing:
            await self._rescan()
            entry = self._entries[self.key_of(name)]
            if entry.origin == "folder":
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"{entry.info.key} lies in {shown(entry.path.parent)}, which Samovar only reads.",
                    hint="Delete the file yourself, or take its folder out of the setting models.folders.",
                )
            freed = 0
            if entry.origin == "library":
                freed = await asyncio.to_thread(placing.remove, self._places.models, parts(entry.path))
            if entry.row:
                await self._store.models.delete(entry.row.key)
            await self._rescan()
            return RmReply(key=entry.info.key, freed_bytes=freed)

    def _sound(self, path: Path) -> GgufHeader:
        header = self._cache().read(path)
        if not is_model(header):
            raise SamovarError(
                FailureCode.MODEL_UNSUPPORTED,
                f"{shown(path.name)} is no model by itself but goes with one ({header.kind}).",
                hint="Import the model that it belongs to.",
            )
        return header

    def _refuse_taken(self, publisher: str, name: str, source: Path) -> None:
        """Two files with one name, tag and all, could not be told apart."""
        for entry in self._entries.values():
            same = (entry.info.publisher, entry.info.name, entry.path.name) == (publisher, name, source.name)
            if same and entry.info.state == "ready" and os.path.realpath(entry.path) != os.path.realpath(source):
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"{entry.info.path} has the name {entry.info.key} already.",
                    hint="Choose another name with --name.",
                )

    def _row(
        self, path: Path, publisher: str, name: str, origin: Origin, sha256: str | None, source: str | None = None
    ) -> ModelRow:
        return ModelRow(
            # The file is part of the store's key, because a second one may join the first in its folder later.
            key=f"{publisher}/{name}@{path.name}",
            path=str(path),
            publisher=publisher,
            name=name,
            origin=origin,
            size_bytes=self._cache().read(path).file_bytes,
            added_at=time.time(),
            sha256=sha256,
            source=source,
        )

    async def _add(self, row: ModelRow, instead_of: ModelRow | None = None) -> ModelInfo:
        await self._store.models.put(row)
        if instead_of and instead_of.key != row.key:
            await self._store.models.delete(instead_of.key)
        await self._rescan()
        entry = self._at(Path(row.path))
        assert entry is not None, "a file that was added is found"
        return entry.info

    async def _rescan(self) -> None:
        rows = await self._store.models.ls()
        entries = await asyncio.to_thread(self._scan, rows)
        before = self.ls()
        self._entries = {entry.info.key: entry for entry in entries}
        if self.ls() != before:
            self._events.publish(LibraryChanged(models=len(self._entries)))

    def _scan(self, rows: list[ModelRow]) -> list[Entry]:
        cache = self._cache()
        # Not Path.expanduser, which raises for a person that there is not.
        folders = [Path(os.path.expanduser(folder)) for folder in self._settings.current.models.folders]  # noqa: PTH111
        folders = [folder for folder in folders if folder.is_absolute()]
        entries = scan(self._places.models, folders, rows, cache)
        cache.forget_others({entry.path for entry in entries})
        cache.save()
        return entries

    def _cache(self) -> HeaderCache:
        if self._headers is None:
            self._headers = HeaderCache(self._places.data / "headers.json")
        return self._headers

    def _at(self, path: Path) -> Entry | None:
        wanted = os.path.realpath(path)
        return next((entry for entry in self._entries.values() if os.path.realpath(entry.path) == wanted), None)

    def _unknown(self, name: str) -> SamovarError:
        try:
            choice = Catalog.built_in().resolve(name)
        except SamovarError:
            names = [alias for entry in self._entries.values() for alias in (entry.info.key, *_named(entry).aliases)]
            similar = near(name, names)
            hint = f"Did you mean {' or '.join(similar)}?" if similar else "See `samovar ls` and `samovar get`."
            return SamovarError(FailureCode.MODEL_UNKNOWN, f"No model here is called '{name}'.", hint=hint)
        return SamovarError(
            FailureCode.MODEL_UNKNOWN,
            f"{choice.key} is in the catalog, but not on this machine.",
            hint=f"Run `samovar get {choice.model.name}`.",
        )


def _named(entry: Entry) -> Named:
    info = entry.info
    return Named(info.key, info.publisher, info.name, entry.tag, Catalog.built_in().aliases(info.publisher, info.name))
