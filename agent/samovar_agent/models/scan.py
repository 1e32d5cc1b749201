"""One look at the disk: every model that is there or should be, with its key and state. Blocks; called in a thread.

    scanner = Scanner(cache)
    scanner.use(sources)
    scanner.look(rows, digests)      # entries, or None where nothing changed

What was found once is looked at again only where a size or a time changed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from samovar_agent.models.entry import Entry, Look, described, look_at
from samovar_agent.models.files import FolderTree
from samovar_agent.models.found import Found
from samovar_agent.models.gguf_reader import shown
from samovar_agent.models.headers import HeaderCache, stamps
from samovar_agent.models.keys import with_keys
from samovar_agent.models.other_programs import Source
from samovar_agent.models.projectors import Projectors
from samovar_agent.store.digests import DigestRow
from samovar_agent.store.models import ModelRow
from samovar_protocol.values import Origin

_Facts = tuple[Found, Look, ModelRow | None, DigestRow | None, str | None, Look | None]
"""All that an entry is made of."""


class Scanner:
    """What the sources hold, in their order: a file that several of them have counts once, for the first."""

    def __init__(self, cache: HeaderCache) -> None:
        self._cache = cache
        self._sources: list[Source] = []
        self._tree = FolderTree()
        self._looks: dict[str, Look] = {}
        self._lists: list[list[Found]] = []
        self._described: dict[str, tuple[_Facts, Entry]] = {}
        self._before: tuple[list[list[Found]], list[Found], list[ModelRow], dict[str, DigestRow]] | None = None

    def use(self, sources: list[Source]) -> None:
        """From now on look there, in this order, ours first; a source that was there before keeps what it knows."""
        known = {(type(source), source.root, source.origin): source for source in self._sources}
        sources = [known.get((type(source), source.root, source.origin), source) for source in sources]
        if sources != self._sources:
            self._sources = sources
            self._lists = []

    def forget(self) -> None:
        """List every folder again next time; some file systems do not keep the times of folders."""
        self._tree.forget()
        for source in self._sources:
            source.forget()

    def doubt(self) -> None:
        """Somebody saw a file otherwise than the last look did; the next one answers in full."""
        self._before = None

    def look(
        self, rows: list[ModelRow], digests: dict[str, DigestRow], *, unchanged: Collection[str] = ()
    ) -> list[Entry] | None:
        """Every model sorted by key; None where nothing changed since the last look.

        - rows, digests: what the store remembers. - unchanged: roots of sources that somebody watches and in which
        nothing happened since the last look.
        """
        lists: list[list[Found]] = []
        asked: list[list[Found]] = []
        for number, source in enumerate(self._sources):
            if self._lists and source.root in unchanged and not source.leaves:
                lists.append(self._lists[number])
            else:
                lists.append(source.find())
                asked.append(lists[-1])
        links = self._links(rows, lists)
        changed = False
        for found in (found for some in (*asked, links) for found in some):
            changed |= self._is_new(found.path)
            if found.projector:
                changed |= self._is_new(found.projector)
        before, self._before = self._before, (lists, links, rows, digests)
        self._lists = lists
        if not changed and before == self._before:
            return None
        # A link names a model, unless its file is ours.
        ordered = [found for some in (*lists[:1], links, *lists[1:]) for found in some]
        wanted = {path for found in ordered for path in (found.path, found.projector) if path}
        self._looks = {path: look for path, look in self._looks.items() if path in wanted}
        entries = self._entries(ordered, rows, digests)
        self._cache.forget_others({shown(file) for look in self._looks.values() for file in look.files})
        self._cache.save()
        return entries

    def _is_new(self, path: str) -> bool:
        """Look at a file where it changed since it was looked at last, and say whether it did."""
        kept = self._looks.get(path)
        if kept is not None and not kept.again and kept.stamps == stamps(kept.files):
            return False
        fresh = look_at(path, self._cache)
        if fresh == kept:
            return False
        self._looks[path] = fresh
        return True

    def _links(self, rows: Sequence[ModelRow], lists: Sequence[Sequence[Found]]) -> list[Found]:
        """What the store remembers, except what lies in our folder under its own name."""
        ours = {shown(found.path) for found in lists[0]} if lists else set()
        found = []
        for row in rows:
            if row.path in ours:
                continue
            folder = os.path.dirname(row.path)  # noqa: PTH120 - as text, like all paths here
            origin: Origin = "link" if row.origin == "link" else "library"
            found.append(Found(row.path, row.publisher, row.name, origin, folder))
            # What lies beside a linked model belongs to it too.
            listing = self._tree.folder(folder) if origin == "link" else None
            beside = (*listing.files, *listing.links) if listing else ()
            projectors = [path for path in beside if os.path.basename(path).lower().startswith("mmproj")]  # noqa: PTH119
            found += [Found(path, row.publisher, row.name, origin, folder) for path in projectors]
        return found

    def _entries(
        self, ordered: Iterable[Found], rows: Sequence[ModelRow], digests: Mapping[str, DigestRow]
    ) -> list[Entry]:
        by_path = {row.path: row for row in rows}
        models: dict[object, tuple[Found, Look]] = {}
        again: dict[object, list[Found]] = defaultdict(list)
        projectors = Projectors()
        for found in ordered:
            look = self._looks[found.path]
            if look.companion:
                projectors.add(found, look)
                continue
            first, _ = models.setdefault(look.identity, (found, look))
            if first is found:
                projectors.count(found)
            elif (first.publisher, first.name, first.sha256) != (found.publisher, found.name, found.sha256):
                again[look.identity].append(found)
        for identity, others in again.items():
            found, look = models[identity]
            models[identity] = _together(found, others), look
        fresh: dict[str, tuple[_Facts, Entry]] = {}
        for found, look in models.values():
            path = shown(found.path)
            projector = projectors.of(found, look)
            known = self._looks.get(projector) if projector else None
            facts = (found, look, by_path.get(path), digests.get(path), projector, known)
            kept = self._described.get(found.path)
            fresh[found.path] = kept if kept and kept[0] == facts else (facts, described(*facts))
        self._described = fresh
        entries = [entry for _, entry in fresh.values()]
        return sorted(with_keys(_explained(entries)), key=lambda entry: entry.info.key)


def _together(found: Found, others: list[Found]) -> Found:
    """One file under several names: one model, which all of the names find, and of which each may know the digest."""
    names = [name for other in others for name in (f"{other.publisher}/{other.name}", other.name, *other.aliases)]
    digests = [some.sha256 for some in (found, *others) if some.sha256]
    aliases = tuple(dict.fromkeys((*found.aliases, *names)))
    return replace(found, aliases=aliases, sha256=digests[0] if digests else None)


def _explained(entries: list[Entry]) -> list[Entry]:
    """The same; what is missing says where a file like it lies now."""
    missing = [entry for entry in entries if entry.info.state == "missing"]
    if not missing:
        return entries
    there: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.info.state == "ready":
            there[entry.file_name, entry.info.size_bytes].append(entry)
    return [
        entry.moved_to(there[entry.file_name, entry.info.size_bytes]) if entry.info.state == "missing" else entry
        for entry in entries
    ]
