"""Models that other programs brought to this machine, used where they lie: found, never copied, moved or deleted.

Each source knows one program's layout. `find` may be called as often as one likes: it reads only what changed, and
returns the same list while nothing did.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from samovar_agent.models.files import PARTIAL, FolderTree, stem_and_tag, without_finished
from samovar_agent.models.found import OWN_PUBLISHER, Found, by_place
from samovar_agent.models.gguf_reader import shown
from samovar_agent.models.ollama_store import OllamaStore
from samovar_agent.models.sources import SHA256
from samovar_agent.platforms.model_folders import ModelFolders
from samovar_protocol.values import Origin

MAX_NOTE_BYTES = 64 * 1024
"""Longest settings file or note of another program that is read."""


class Source(Protocol):
    """A place with models.

    - root: below which everything lies that can change what is found. - origin: whose it is.
    - leaves: links led out of `root`, so watching it does not see all changes.
    """

    root: str
    origin: Origin
    leaves: bool

    def find(self) -> list[Found]:
        """What is there now; the same list while nothing changed."""
        ...

    def forget(self) -> None:
        """List every folder again next time."""
        ...


class FolderSource:
    """A folder whose files are named by where they lie: ours, one of the settings, LM Studio's.

    - partial: list transfers that did not end, too.
    """

    def __init__(self, root: str, origin: Origin, *, partial: bool = False) -> None:
        self.root = root
        self.leaves = False
        self.origin: Origin = origin
        self._partial = partial
        self._tree = FolderTree()
        self._files: tuple[str, ...] = ()
        self._found: list[Found] = []

    def find(self) -> list[Found]:
        """See `Source`."""
        below = self._tree.below(self.root)
        self.leaves = below.leaves
        if below.files is not self._files:
            self._files = below.files
            files = without_finished(below.files) if self._partial else _whole(below.files)
            self._found = [by_place(file, self.root, self.origin) for file in files]
        return self._found

    def forget(self) -> None:
        """See `Source`."""
        self._tree.forget()


class HubCache:
    """A cache of the hub's library: `models--<org>--<name>/snapshots/<commit>/…`, links into `blobs/<etag>`."""

    def __init__(self, root: str, origin: Origin) -> None:
        self.root = root
        self.leaves = False
        self.origin: Origin = origin
        self._tree = FolderTree((".gguf",))
        self._seen: list[tuple[str, tuple[str, ...]]] = []
        self._found: list[Found] = []

    def find(self) -> list[Found]:
        """See `Source`."""
        folder = self._tree.folder(self.root)
        repositories = [path for path in sorted(folder.folders if folder else ()) if _repository(path)]
        seen = []
        self.leaves = bool(folder and folder.links)
        for repository in repositories:
            for snapshot in self._snapshots(repository):
                below = self._tree.below(snapshot, within=self.root)
                self.leaves |= below.leaves
                if below.files:
                    seen.append((snapshot, below.files))
        if seen != self._seen:
            self._seen = seen
            self._found = [found for snapshot, files in seen for found in self._in_snapshot(snapshot, files)]
        return self._found

    def forget(self) -> None:
        """See `Source`."""
        self._tree.forget()

    def _snapshots(self, repository: str) -> list[str]:
        """Snapshots, that of the main branch first: where two have a file of one name, the first is used."""
        folder = self._tree.folder(f"{repository}/snapshots")
        snapshots = sorted(folder.folders) if folder else []
        if len(snapshots) > 1:
            main = read_note(Path(repository, "refs", "main")).decode("ascii", "replace").strip()
            snapshots.sort(key=lambda path: os.path.basename(path) != main)  # noqa: PTH119
        return snapshots

    def _in_snapshot(self, snapshot: str, files: tuple[str, ...]) -> Iterator[Found]:
        publisher, name = _repository(str(Path(snapshot).parent.parent)) or ("", "")
        for file in files:
            yield Found(file, publisher, name, self.origin, snapshot, sha256=hub_digest(Path(file)))


class LlamaCppCache:
    """llama.cpp's own cache: files named `<org>_<repo>_<file>`, with notes that say where the org ends."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.origin: Origin = "llama.cpp"
        self.leaves = False
        self._tree = FolderTree((".gguf", ".json"))
        self._seen: tuple[str, ...] = ()
        self._found: list[Found] = []

    def find(self) -> list[Found]:
        """See `Source`."""
        folder = self._tree.folder(self.root)
        names = tuple(sorted((*folder.files, *folder.links))) if folder else ()
        self.leaves = bool(folder and folder.links)
        if names != self._seen:
            self._seen = names
            repositories = dict(filter(None, (_manifest(os.path.basename(name)) for name in names)))  # noqa: PTH119
            models = [name for name in names if name.lower().endswith(".gguf")]
            self._found = [self._named(name, repositories) for name in models]
        return self._found

    def forget(self) -> None:
        """See `Source`."""
        self._tree.forget()

    def _named(self, path: str, repositories: dict[str, tuple[str, str]]) -> Found:
        file_name = shown(os.path.basename(path))  # noqa: PTH119
        # The longest one: `org_model_` also begins the files of the repository `org/model_v2`.
        known = max((prefix for prefix in repositories if file_name.startswith(prefix)), key=len, default=None)
        publisher, name = repositories[known] if known else _from_address(path) or _guessed(file_name)
        home = f"{self.root}/{publisher}_{name}_"
        prefix = f"{publisher}_{name}_"
        rest = file_name.removeprefix(prefix) if file_name.startswith(prefix) else file_name
        return Found(path, publisher, name, "llama.cpp", home, file_name=rest)


def other_programs(folders: ModelFolders) -> list[Source]:
    """Everything that other programs may have; a folder that two of them use comes once."""
    sources: list[Source] = []
    for home in folders.lmstudio:
        sources += [FolderSource(str(folder), "lmstudio") for folder in _lmstudio(home)]
    sources += [OllamaStore(str(folder)) for folder in folders.ollama]
    sources += [HubCache(str(folder), "huggingface") for folder in folders.huggingface]
    for folder in folders.llama_cpp:
        # Newer versions use the hub's cache, or this folder in the hub's layout.
        sources += [LlamaCppCache(str(folder)), HubCache(str(folder), "llama.cpp")]
    unique = {(type(source), os.path.realpath(source.root)): source for source in reversed(sources)}
    return [source for source in sources if unique[type(source), os.path.realpath(source.root)] is source]


def _whole(files: tuple[str, ...]) -> Iterator[str]:
    return (file for file in files if not file.lower().endswith(PARTIAL))


def hub_digest(file: Path) -> str | None:
    """The digest of a file in a snapshot: the name of the blob that it is a link to, where that is a SHA-256.

    Only the first link counts; a store that several repositories share, to which the blob may lead, has other names.
    """
    try:
        target = Path(os.path.normpath(file.parent / os.readlink(file)))  # noqa: PTH115 - as text
    except OSError:  # no link: on Windows the files themselves lie here
        return None
    repository = next((folder.parent for folder in file.parents if folder.name == "snapshots"), None)
    inside = repository is not None and target.parent == repository / "blobs"
    return target.name if inside and SHA256.fullmatch(target.name) else None


def read_note(path: Path) -> bytes:
    """A small file of another program; empty where it is not there, too large or no file."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_NOTE_BYTES:
            return b""
        return path.read_bytes()
    except (OSError, ValueError):
        return b""


class _LmStudioSettings(msgspec.Struct):
    folder: str = msgspec.field(name="downloadsFolder", default="")


class _Note(msgspec.Struct):
    url: str = ""


def _lmstudio(home: Path) -> list[Path]:
    """LM Studio's folders for models: the one that its settings name, and the usual one."""
    folders = [home / "models"]
    try:
        named = msgspec.json.decode(read_note(home / "settings.json"), type=_LmStudioSettings).folder
    except (msgspec.MsgspecError, RecursionError):
        named = ""
    if named and "\0" not in named and Path(named).is_absolute():
        folders.insert(0, Path(named))
    return list(dict.fromkeys(folders))


def _repository(path: str) -> tuple[str, str] | None:
    """(publisher, name) of `…/models--org--name`; None for what else lies there."""
    kind, _, rest = shown(os.path.basename(path)).partition("--")  # noqa: PTH119
    if kind != "models" or not rest:
        return None
    publisher, dashes, name = rest.partition("--")
    return (publisher, name) if dashes and publisher and name else ("huggingface", rest)


def _manifest(file_name: str) -> tuple[str, tuple[str, str]] | None:
    """`manifest=org=repo=tag.json` → how files of that repository begin, and its name."""
    words = shown(file_name).split("=")
    if len(words) != 4 or words[0] != "manifest" or not words[1] or not words[2]:
        return None
    return f"{words[1]}_{words[2]}_", (words[1], words[2])


def _from_address(path: str) -> tuple[str, str] | None:
    """What the note of an older llama.cpp beside the file says about where it came from."""
    try:
        url = msgspec.json.decode(read_note(Path(f"{path}.json")), type=_Note).url
    except (msgspec.MsgspecError, RecursionError):
        return None
    found = re.match(r"https?://[^/]+/([\w.-]+)/([\w.-]+)/resolve/", url)
    return (found[1], found[2]) if found else None


def _guessed(file_name: str) -> tuple[str, str]:
    found = re.match(r"([A-Za-z0-9.-]+)_(.+?-GGUF)_", file_name, re.IGNORECASE)
    return (found[1], found[2]) if found else (OWN_PUBLISHER, stem_and_tag(file_name)[0])
