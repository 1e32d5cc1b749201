"""The library: which models are on this machine, under which names, and whether they are sound.

    library = Library(places=places, settings=settings, events=events, store=store, others=ModelFolders.find())
    await library.open()
    library.find("smollm2-135m").header.context_length

Files are models below our own models folder, below the folders of the setting `models.folders`, with other programs
(both are only read), and where they were imported as a link. The store remembers what the files themselves cannot say:
links, digests, sources.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from samovar_agent.events import EventBus
from samovar_agent.models import aliases, ownership, placing, replacing, verifying
from samovar_agent.models.catalog import Catalog
from samovar_agent.models.entry import Entry, ModelFile, is_model
from samovar_agent.models.files import PARTIAL, parts
from samovar_agent.models.gguf import GgufHeader
from samovar_agent.models.gguf_reader import printable, shown
from samovar_agent.models.headers import HeaderCache, Stamps
from samovar_agent.models.keys import wanted_name
from samovar_agent.models.naming import Named, Names, meanings, near
from samovar_agent.models.other_programs import FolderSource, Source, other_programs
from samovar_agent.models.scan import Scanner
from samovar_agent.models.watching import FolderWatch
from samovar_agent.network import partial_file
from samovar_agent.paths import safe_path
from samovar_agent.platforms.model_folders import ModelFolders
from samovar_agent.settings import SettingsFile
from samovar_agent.store.digests import DigestRow
from samovar_agent.store.models import ModelRow
from samovar_agent.store.store import Store
from samovar_agent.threads import stoppable
from samovar_protocol import FailureCode, Places, SamovarError
from samovar_protocol.events import LibraryChanged
from samovar_protocol.replies import RmReply
from samovar_protocol.values import ModelInfo, Progress, VerifiedModel

__all__ = ["Library", "ModelFile"]

OnProgress = Callable[[Progress], None]
_MOST_NAMED = 20
"""Models that an ambiguous name is said to mean; nobody reads more."""


class Library:
    """The models on this machine. Used from the event loop's thread; the disk is touched in others.

    - others: where other programs keep models; nowhere unless told.
    """

    def __init__(
        self,
        *,
        places: Places,
        settings: SettingsFile,
        events: EventBus,
        store: Store,
        others: ModelFolders | None = None,
    ) -> None:
        self._places = places
        self._settings = settings
        self._events = events
        self._store = store
        self._others = others or ModelFolders()
        self._entries: dict[str, Entry] = {}
        self._infos: list[ModelInfo] = []
        self._names: Names | None = None
        self._named_with: list[str] = []
        self._damaged: dict[str, Stamps] = {}
        self._changing = asyncio.Lock()
        self._importing = asyncio.Lock()  # apart, because a copy takes minutes in which everything else goes on
        self._headers: HeaderCache | None = None
        self._scanner: Scanner | None = None
        self._watch = FolderWatch()

    async def open(self) -> None:
        """Read the store and look through the folders; a file that is broken is listed as such and stops nothing."""
        await self.refresh()

    async def close(self) -> None:
        """Stop watching the folders."""
        await asyncio.to_thread(self._watch.close)

    async def watch(self) -> None:
        """Notice changes in the folders until cancelled, and tell everyone; run as a task."""
        await self._watch.run(lambda thorough: self.refresh(thorough=thorough))

    async def refresh(self, *, thorough: bool = False, believing: bool = False) -> None:
        """Look through the folders again; tells everyone where something changed.

        - thorough: trust no folder's time of change; every one is listed anew.
        - believing: leave out folders that are watched and in which nothing happened; for thousands of models.
        """
        async with self._changing:
            await self._rescan(thorough=thorough, believing=believing)

    def ls(self) -> list[ModelInfo]:
        """All models sorted by key, also those that are broken, missing or partial."""
        return list(self._infos)

    def key_of(self, name: str) -> str:
        """The key of the model that `name` means, whatever its state; raises `model_unknown` or `model_ambiguous`.

        - name: a key, an alias, a model's name alone, any of them with `@quantization`, or a unique part of a key that
          begins where a word begins. Case does not matter. Where none of these fits, what `meanings` makes of it.
        """
        names = self._meaning()
        found = next((keys for meaning in meanings(name) if (keys := names.meant(meaning))), [])
        # One that is still on its way must not make the name of one that is here ambiguous.
        found = [key for key in found if self._entries[key].info.state != "partial"] or found
        if len(found) == 1:
            return found[0]
        if found:
            shown_keys = found[:_MOST_NAMED]
            more = f" or {len(found) - _MOST_NAMED} others" if len(found) > _MOST_NAMED else ""
            raise SamovarError(
                FailureCode.MODEL_AMBIGUOUS,
                f"'{name}' can be {', '.join(shown_keys)}{more}.",
                hint="Name one of them in full.",
                details={"models": shown_keys},
            )
        raise self._unknown(name)

    def aliases(self) -> dict[str, str]:
        """The names that people gave to models, with the keys of those; only of models that are here."""
        keys = {_full_name(entry).casefold(): key for key, entry in self._entries.items()}
        keys |= {key.casefold(): key for key in self._entries}
        given = aliases.parsed(self._settings.current.models.aliases)
        return {name: keys[full.casefold()] for name, full in given.items() if full.casefold() in keys}

    def check_alias(self, name: str) -> None:
        """Raise `bad_request` where a model has this name already, and not because a person gave it to it."""
        if name.casefold() in {alias.casefold() for alias in self.aliases()}:
            return
        if found := self._meaning().meant(name, parts=False):
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"'{printable(name)}' is the name of {found[0]} already.",
                hint="Choose another name.",
            )

    def full_name(self, key: str) -> str:
        """`publisher/name@tag` of the model with this key: what stays its name when another file comes beside it."""
        return _full_name(self._entries[key])

    def info(self, key: str) -> ModelInfo:
        """What is known of the model with this key."""
        return self._entries[key].info

    def header(self, key: str) -> GgufHeader | None:
        """What that model's file said when somebody last looked; None where it cannot be read, or is not there."""
        entry = self._entries.get(key)
        return entry.look.header if entry is not None else None

    def find(self, name: str) -> ModelFile:
        """The model that `name` means (see `key_of`), checked to be there as it was read.

        Raises `model_unknown`, `model_ambiguous`, `model_file_missing`, `model_file_broken` or `model_unsupported`.
        """
        known = self._entries[self.key_of(name)]
        entry = known.looked_at(self._cache())
        if entry is not known:
            self._entries[entry.info.key] = entry
            self._infos = [one.info for one in self._entries.values()]
            if self._scanner is not None:
                self._scanner.doubt()
            if entry.info != known.info:
                self._events.publish(LibraryChanged(models=len(self._entries)))
        if entry.file_name.lower().endswith(PARTIAL):
            raise SamovarError(
                FailureCode.MODEL_FILE_MISSING,
                f"{entry.info.key} is not fully here: {entry.info.problem}",
                hint="Get it again to complete it.",
            )
        try:
            return ModelFile(info=entry.info, header=self._cache().read(entry.path))
        except SamovarError as error:
            if entry.info.state == "partial" and error.code == FailureCode.MODEL_FILE_MISSING:
                raise SamovarError(
                    error.code, f"{entry.info.key} is not fully here: {error.failure.message}", hint=error.hint
                ) from error
            raise

    def present(self, *, sha256: str, size_bytes: int, file_name: str) -> ModelInfo | None:
        """A ready model with this digest, or, where nobody knows one, with this file name and size."""
        for entry in self._entries.values():
            digest = entry.expected
            same = digest == sha256 if digest else (entry.file_name, entry.info.size_bytes) == (file_name, size_bytes)
            if same and entry.info.state == "ready" and not self.damaged(entry.info.key):
                return entry.info
        return None

    def damaged(self, key: str) -> bool:
        """Whether `verify` found other bytes in it than expected, and nobody has replaced them since."""
        entry = self._entries[key]
        before = self._damaged.get(entry.found.path, ())
        # Without the time that a hard link changes; and as long as one part of several was not replaced.
        return any(
            was is not None and now is not None and was[:4] == now[:4]
            for was, now in zip(before, entry.look.stamps, strict=False)
        )

    def brought_by_hand(self, path: Path) -> bool:
        """Whether a sound model lies there that no download brought, and that none may replace."""
        at = (entry for entry in self._entries.values() if entry.path == path and entry.info.state == "ready")
        return any(entry.row is None or entry.row.source is None for entry in at)

    async def verify(self, name: str | None, *, on_progress: OnProgress) -> list[VerifiedModel]:
        """Read a model's files again, or all models', and compare their digests; what nobody knew is recorded.

        - name: as in `key_of`; None for all. Cancelled, it stops within one chunk.
        Raises `model_unknown` or `model_ambiguous`. Files that are damaged or gone are findings, not failures.
        """
        await self.refresh()
        chosen = list(self._entries.values()) if name is None else [self._entries[self.key_of(name)]]
        # A transfer that goes on is no model yet; its own end checks it.
        chosen = [entry for entry in chosen if name is not None or not entry.file_name.endswith(PARTIAL)]
        digests = await self._store.digests.ls()
        found = await verifying.verify(chosen, digests, on_progress=on_progress)
        for entry, model in zip(chosen, found.models, strict=True):
            self._damaged.pop(entry.found.path, None)
            if model.outcome == "changed":
                self._damaged[entry.found.path] = entry.look.stamps
        for row in found.recorded:
            await self._store.digests.put(row)
        if found.recorded:
            await self.refresh()
        return found.models

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
            known = await asyncio.to_thread(self._at, source)
            if known and (known.origin == "library" or (mode == "link" and name is None)):
                return known.info
            if name is None and known is not None and known.origin == "ollama":
                name = f"{known.info.publisher}/{known.info.name.replace(':', '-')}"  # the file is named by its digest
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

    async def add(
        self,
        path: Path,
        publisher: str,
        name: str,
        *,
        sha256: str | None,
        source: str,
        part_sha256: Sequence[str] = (),
    ) -> ModelInfo:
        """List a file that was downloaded into our folder.

        - path: the first part, where there are several. - sha256: None for several. - source: JSON, where it came from.
        - part_sha256: of each part, in order, where they are known.
        Raises `model_file_broken` or `model_unsupported` for a file that is no sound model; it is not listed then.
        """
        async with self._changing:
            await asyncio.to_thread(self._sound, path)
            for part, digest in zip(parts(path), part_sha256, strict=False):
                size = part.stat().st_size
                row = DigestRow(path=shown(part), size_bytes=size, sha256=digest, recorded_at=time.time())
                await self._store.digests.put(row)
            self._damaged.pop(str(path), None)
            return await self._add(self._row(path, publisher, name, "library", sha256, source))

    async def rm(self, name: str) -> RmReply:
        """Delete a model's files, or forget a link and leave its file alone; says what that freed.

        A projector that no model of its folder needs any more goes with the last one.
        Raises `model_unknown`, `model_ambiguous`, or `bad_request` for a model that belongs to somebody else.
        """
        # Half of it would leave a row without a file.
        return await asyncio.shield(asyncio.ensure_future(self._rm(name)))

    async def _rm(self, name: str) -> RmReply:
        async with self._changing:
            await self._rescan()
            entry = self._entries[self.key_of(name)]
            ownership.refuse_removal(entry)
            freed = 0
            if entry.origin == "library" and entry.info.state != "missing":
                files = [Path(file) for file in entry.look.files]
                files += [partial_file.journal_of(file) for file in files if file.name.endswith(PARTIAL)]
                files += [replacing.aside_of(Path(file)) for file in entry.look.files]  # while an update comes
                if (projector := entry.info.projector) and not self._needed(projector, besides=entry):
                    files.append(Path(projector))
                freed = await asyncio.to_thread(placing.remove, self._places.models, files)
            if entry.row:
                await self._store.models.delete(entry.row.key)
            await self._store.digests.delete([shown(file) for file in entry.look.files])
            await self._rescan()
            return RmReply(key=entry.info.key, freed_bytes=freed)

    def _needed(self, projector: str, *, besides: Entry) -> bool:
        others = (entry for entry in self._entries.values() if entry is not besides)
        # One that is still on its way does not say yet what it needs.
        return any(
            entry.info.projector == projector or (entry.look.header is None and entry.found.home == besides.found.home)
            for entry in others
        )

    def _sound(self, path: Path) -> GgufHeader:
        if path.name.lower().endswith(PARTIAL):
            raise SamovarError(
                FailureCode.MODEL_FILE_BROKEN,
                f"{shown(path.name)} is a transfer that did not end.",
                hint="Complete it with the program that began it.",
            )
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
            same = (entry.info.publisher, entry.info.name, entry.file_name) == (publisher, name, source.name)
            if same and entry.info.state == "ready" and os.path.realpath(entry.path) != os.path.realpath(source):
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"{entry.info.path} has the name {entry.info.key} already.",
                    hint="Choose another name with --name.",
                )

    def _row(
        self, path: Path, publisher: str, name: str, origin: str, sha256: str | None, source: str | None = None
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
        entry = await asyncio.to_thread(self._at, Path(row.path))
        assert entry is not None, "a file that was added is found"
        return entry.info

    async def _rescan(self, *, thorough: bool = False, believing: bool = False) -> None:
        rows = await self._store.models.ls()
        digests = await self._store.digests.ls()
        try:
            entries = await stoppable(lambda _: self._scan(rows, digests, thorough, believing))
        except BaseException:
            if self._scanner is not None:
                self._scanner.doubt()  # nobody took what this look found
            raise
        if entries is None:
            return
        before = self._infos
        self._entries = {entry.info.key: entry for entry in entries}
        self._infos = [entry.info for entry in self._entries.values()]
        self._names = None
        if self._infos != before:
            self._events.publish(LibraryChanged(models=len(self._entries)))

    def _scan(
        self, rows: list[ModelRow], digests: dict[str, DigestRow], thorough: bool, believing: bool
    ) -> list[Entry] | None:
        if self._scanner is None:
            self._scanner = Scanner(self._cache())
        sources = self._sources()
        self._scanner.use(sources)
        if thorough:
            self._scanner.forget()
        unchanged = self._watch.unchanged([source.root for source in sources])
        return self._scanner.look(rows, digests, unchanged=unchanged if believing else ())

    def _sources(self) -> list[Source]:
        models = self._settings.current.models
        # Not Path.expanduser, which raises for a person that there is not.
        folders = [Path(os.path.expanduser(folder)) for folder in models.folders]  # noqa: PTH111
        sources: list[Source] = [FolderSource(str(self._places.models), "library", partial=True)]
        sources += [FolderSource(str(folder), "folder") for folder in folders if folder.is_absolute()]
        return [*sources, *other_programs(self._others)] if models.discover else sources

    def _cache(self) -> HeaderCache:
        if self._headers is None:
            self._headers = HeaderCache(self._places.data / "headers.json")
        return self._headers

    def _at(self, path: Path) -> Entry | None:
        wanted = os.path.realpath(path)
        name = os.path.basename(wanted)  # noqa: PTH119
        entries = list(self._entries.values())
        # Those of the same name first: to follow the links of thousands takes its time.
        entries.sort(key=lambda entry: entry.file_name != name)
        return next((entry for entry in entries if os.path.realpath(entry.path) == wanted), None)

    def _meaning(self) -> Names:
        """All names, made anew where models or the names that people gave them have changed."""
        given = self._settings.current.models.aliases
        if self._names is None or self._named_with != given:
            more: dict[str, list[str]] = {}
            for alias, key in self.aliases().items():
                more.setdefault(key, []).append(alias)
            self._names = Names(_named(entry, more.get(key, ())) for key, entry in self._entries.items())
            self._named_with = given
        return self._names

    def _unknown(self, name: str) -> SamovarError:
        try:
            choice = Catalog.built_in().resolve(name)
        except SamovarError:
            names = [alias for entry in self._entries.values() for alias in (entry.info.key, *entry.found.aliases)]
            similar = near(name, names)
            hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
            return SamovarError(
                FailureCode.MODEL_UNKNOWN,
                f"No model here is called '{name}'.",
                hint=hint + self._present(),
                details={"models": [info.key for info in self._infos if info.state == "ready"]},
            )
        return SamovarError(
            FailureCode.MODEL_UNKNOWN,
            f"{choice.key} is in the catalog, but not on this machine.",
            hint=f"Run `samovar get {choice.model.name}`. {self._present()}",
        )

    def _present(self) -> str:
        """What a program may name instead, for people who cannot see the list."""
        ready = [info.key for info in self._infos if info.state == "ready"]
        if not ready:
            return "There is no model here yet; `samovar get` fetches one."
        more = f" and {len(ready) - _MOST_NAMED} others" if len(ready) > _MOST_NAMED else ""
        return f"Here are {', '.join(ready[:_MOST_NAMED])}{more}; see `samovar ls`."


def _named(entry: Entry, given: Sequence[str]) -> Named:
    info = entry.info
    names = (*entry.found.aliases, *Catalog.built_in().aliases(info.publisher, info.name), *given)
    return Named(info.key, info.publisher, info.name, entry.tag, names)


def _full_name(entry: Entry) -> str:
    return f"{entry.info.publisher}/{entry.info.name}@{entry.tag}"
