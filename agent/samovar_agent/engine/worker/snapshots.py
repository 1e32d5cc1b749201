"""Prefixes on disk: what a model computed survives unloading and restarts.

    store = SnapshotStore(folder, load_or_create_key(path), Binding(model=digest, runtime=build), 2 << 30)
    store.save(tokens, state)
    if entry := store.longest(tokens):
        state = store.read(entry)

Several workers may share a folder: nothing is locked for long, and a file that another one took away is only a prefix
to compute again. A file is handed to llama.cpp only after its authentication code was checked, since llama.cpp trusts
what it restores.

    magic 8 · version 4 · token count 4 · state length 8 · binding 32 · tokens, 4 each · code 32 · state · code 32

Both codes are HMAC-SHA256 of everything before them, so the index can trust a head without reading the state. Where
processors have instructions for it, as nearly all have, that is more than twice as fast as keyed BLAKE2b: 14 ms for
24 MB. Numbers are in the machine's own byte order, as they are in a state.
"""

from __future__ import annotations

import array
import contextlib
import errno
import hashlib
import hmac
import json
import os
import secrets
import stat
import struct
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from samovar_agent.platforms import try_lock
from samovar_protocol import FailureCode, SamovarError

_MAGIC = b"SMVRSNAP"
_VERSION = 1
_HEAD = struct.Struct("=8sIIQ32s")
_CODE_BYTES = 32
_KEY_BYTES = 32
_TOKEN_BYTES = 4
_MOST_TOKENS = 1 << 24
"""More than any context; bounds what is read before the first code was checked."""
_SUFFIX, _PARTIAL = ".snapshot", ".partial"
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Refuse symbolic links, and never wait for a pipe that lies under a snapshot's name."""


class _Mismatch(Exception):
    """A file is not what it should be, and must go."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a state is only good for. A change in any of it makes saved prefixes worthless.

    - model: digest of the model's file. - runtime: the exact build. - settings: of the context, as far as they change
    a sequence's state: types of the cache, flash attention.
    """

    model: str
    runtime: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> bytes:
        """32 bytes that stand for all of it."""
        text = json.dumps([self.model, self.runtime, sorted(self.settings.items())])
        return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A saved prefix. - packed: its tokens as bytes. - state_bytes: the length of its state."""

    path: Path
    packed: bytes = field(repr=False)
    state_bytes: int

    @property
    def length(self) -> int:
        """How many tokens it has."""
        return len(self.packed) // _TOKEN_BYTES

    def tokens(self) -> list[int]:
        """Its tokens."""
        return array.array("i", self.packed).tolist()


class SnapshotStore:
    """The saved prefixes of one model, in a folder that all models share.

    - folder: made on the first save, for the owner alone. - key: 32 secret bytes. - binding: of the model in memory.
    - budget_bytes: of the whole folder; the least recently used prefixes make room.
    - trimmable: a restored state can be cut back to fewer tokens, as it can with full attention. A prefix that a longer
    one contains is then replaced by it; `nearest` finds it there.
    Nothing here raises for what happens on disk: a prefix that cannot be saved or read is computed again.
    """

    def __init__(
        self, folder: Path, key: bytes, binding: Binding, budget_bytes: int, *, trimmable: bool = True
    ) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the key must have {_KEY_BYTES} bytes, not {len(key)}")
        self._folder = folder
        self._key = key
        self._binding = binding.digest()
        self._budget = budget_bytes
        self._trimmable = trimmable
        self._of_model = f"{hashlib.sha256(binding.model.encode()).hexdigest()[:16]}-"
        self._of_binding = f"{self._of_model}{self._binding.hex()[:16]}-"
        self._entries: dict[str, Entry] = {}

    def save(self, tokens: Sequence[int], state: bytes | memoryview) -> bool:
        """Keep the state that `tokens` led to; False where it does not fit the budget or the disk."""
        packed = _pack(tokens)
        if not packed or len(tokens) > _MOST_TOKENS:
            return False
        self._refresh()
        for entry in list(self._entries.values()):
            if entry.packed == packed or (self._trimmable and entry.packed.startswith(packed)):
                if _touch(entry.path):
                    return True
                del self._entries[entry.path.name]
        contained = {
            name for name, entry in self._entries.items() if self._trimmable and packed.startswith(entry.packed)
        }
        try:
            if not self._write(packed, memoryview(state), contained):
                return False
        except OSError:
            return False
        for name in contained:
            self._delete(self._folder / name)
        return True

    def longest(self, tokens: Sequence[int]) -> Entry | None:
        """The longest saved prefix that `tokens` begins with, possibly all of it. Reads no states."""
        self._refresh()
        packed = _pack(tokens)
        fitting = [entry for entry in self._entries.values() if packed.startswith(entry.packed)]
        return max(fitting, key=lambda entry: entry.length, default=None)

    def nearest(self, tokens: Sequence[int]) -> tuple[Entry, int] | None:
        """The saved prefix that shares the most first tokens with `tokens`, and how many; the smallest of equals.

        For memories that can be cut back after restoring. Reads no states.
        """
        self._refresh()
        packed = _pack(tokens)
        shared = [(entry, _shared(entry.packed, packed)) for entry in self._entries.values()]
        best = max(shared, key=lambda match: (match[1], -match[0].state_bytes), default=None)
        return best if best and best[1] else None

    def read(self, entry: Entry) -> bytes | None:
        """The state, which counts as used now; None where the file is gone, or was not as saved and is now deleted."""
        try:
            with _open(entry.path) as file:
                found, code = self._read_head(file, entry.path)
                if found != entry:
                    raise _Mismatch
                state = file.read(entry.state_bytes)
                code.update(state)
                if not hmac.compare_digest(code.digest(), file.read(_CODE_BYTES)):
                    raise _Mismatch
        except _Mismatch:
            self._delete(entry.path)
            return None
        except OSError as error:
            self._unreadable(entry.path, error)
            return None
        _touch(entry.path)
        return state

    def prune(self) -> None:
        """Delete what can never be used again and what is over the budget; good to call once after loading."""
        self._refresh()
        self._make_room(0)
        if self._trimmable:
            for entry in list(self._entries.values()):
                if any(other.packed.startswith(entry.packed) for other in self._entries.values() if other != entry):
                    self._delete(entry.path)

    def _refresh(self) -> None:
        """Bring the index up to date with the folder; only heads of files that are new to it are read."""
        names = {name for name in self._names() if name.endswith(_SUFFIX)}
        for name in self._entries.keys() - names:
            del self._entries[name]
        for name in sorted(names - self._entries.keys()):
            path = self._folder / name
            if name.startswith(self._of_binding):
                try:
                    with _open(path) as file:
                        self._entries[name], _ = self._read_head(file, path)
                except _Mismatch:
                    self._delete(path)
                except OSError as error:
                    self._unreadable(path, error)
            elif name.startswith(self._of_model):  # of a runtime or settings that have changed since
                self._delete(path)

    def _names(self) -> list[str]:
        try:
            return [path.name for path in self._folder.iterdir() if path.name.endswith((_SUFFIX, _PARTIAL))]
        except OSError:
            return []

    def _read_head(self, file: BinaryIO, path: Path) -> tuple[Entry, hmac.HMAC]:
        """Everything before the state, checked, and the code of the file so far; no length is believed unchecked."""
        status = os.fstat(file.fileno())
        head = file.read(_HEAD.size) if stat.S_ISREG(status.st_mode) else b""
        if len(head) != _HEAD.size:
            raise _Mismatch
        magic, version, count, state_bytes, binding = _HEAD.unpack(head)
        if (magic, version, binding) != (_MAGIC, _VERSION, self._binding):
            raise _Mismatch
        if not 0 < count <= _MOST_TOKENS or status.st_size != _file_bytes(count, state_bytes):
            raise _Mismatch
        packed = file.read(count * _TOKEN_BYTES)
        code = self._code(head, packed)
        if not hmac.compare_digest(code.digest(), file.read(_CODE_BYTES)):
            raise _Mismatch
        code.update(code.digest())
        return Entry(path, packed, state_bytes), code

    def _write(self, packed: bytes, state: memoryview, contained: Collection[str]) -> bool:
        """Write beside the other files and rename, so that a snapshot is whole or absent."""
        count = len(packed) // _TOKEN_BYTES
        size = _file_bytes(count, state.nbytes)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(self._folder.stat().st_mode) != 0o700:
            self._folder.chmod(0o700)
        if size > self._budget or not self._make_room(size, contained):
            return False
        path = self._folder / f"{self._of_binding}{hashlib.sha256(packed).hexdigest()[:32]}{_SUFFIX}"
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PARTIAL}")
        try:
            with open(partial, "xb", opener=_private) as file:
                try_lock(file)  # tells other workers that its writer lives
                file.truncate(size)  # counts from here on; two workers may have found the same room
                if not self._make_room(0, contained):
                    return False
                head = _HEAD.pack(_MAGIC, _VERSION, count, state.nbytes, self._binding)
                code = self._code(head, packed)
                head_code = code.digest()
                code.update(head_code)
                code.update(state)
                for part in (head, packed, head_code, state, code.digest()):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
        _touch(path)
        self._entries[path.name] = Entry(path, packed, state.nbytes)
        return True

    def _code(self, *parts: bytes) -> hmac.HMAC:
        return hmac.new(self._key, b"".join(parts), "sha256")

    def _make_room(self, needed: int, first: Collection[str] = ()) -> bool:
        """Delete the least recently used, `first` before all others, until `needed` bytes fit the budget."""
        total, candidates = needed, []
        for name in self._names():
            path = self._folder / name
            if name.endswith(_PARTIAL) and _abandoned(path):
                self._delete(path)
                continue
            with contextlib.suppress(OSError):
                status = path.lstat()
                total += status.st_size
                if name.endswith(_SUFFIX):
                    candidates.append((name not in first, status.st_mtime_ns, status.st_size, path))
        for _, _, size, path in sorted(candidates):
            if total <= self._budget:
                break
            if self._delete(path):
                total -= size
        return total <= self._budget

    def _unreadable(self, path: Path, error: OSError) -> None:
        """Another worker may have deleted it, or descriptors ran out; only a link is never ours."""
        if error.errno == errno.ELOOP:
            self._delete(path)
        else:
            self._entries.pop(path.name, None)

    def _delete(self, path: Path) -> bool:
        self._entries.pop(path.name, None)
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return False
        return True


def load_or_create_key(path: Path) -> bytes:
    """The key that authenticates snapshots, made when there is none that only the owner can read.

    Two processes that do this at once get the same key. Raises `disk_full` where it cannot be written.
    """
    try:
        return _read_key(path) or _create_key(path)
    except OSError as error:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"The key for saved prefixes could not be written to {path}: {error.strerror or error}.",
            hint="Free some room or correct the folder's permissions; until then prompts are computed anew.",
        ) from error


def _create_key(path: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb", opener=_private) as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike a rename, this fails where another process was faster
        except OSError:
            if other := _read_key(path):
                return other
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return key


def _read_key(path: Path) -> bytes | None:
    """The key; None where there is no file, or one that others may have read or put there."""
    try:
        with _open(path) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or (os.name == "posix" and status.st_mode & 0o077):
                return None
            key = file.read(_KEY_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    return key if len(key) == _KEY_BYTES else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | _PLAIN, 0o600)


def _open(path: Path) -> BinaryIO:
    return open(path, "rb", opener=_private)


def _abandoned(path: Path) -> bool:
    """Whether the worker that was writing this file is gone; its lock went with it."""
    try:
        with _open(path) as file:
            return try_lock(file)
    except OSError as error:
        return error.errno == errno.ELOOP


def _touch(path: Path) -> bool:
    """Count the file as used now; False where it is gone."""
    now = time.time_ns()  # finer than what the operating system would put there
    try:
        os.utime(path, ns=(now, now), follow_symlinks=os.utime not in os.supports_follow_symlinks)
    except OSError:
        return False
    return True


def _pack(tokens: Sequence[int]) -> bytes:
    return array.array("i", tokens).tobytes()


def _file_bytes(count: int, state_bytes: int) -> int:
    return _HEAD.size + count * _TOKEN_BYTES + _CODE_BYTES + state_bytes + _CODE_BYTES


def _shared(one: bytes, other: bytes) -> int:
    """How many first tokens are the same, by comparing ever smaller pieces at the speed of memory."""
    low, high = 0, min(len(one), len(other)) // _TOKEN_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        part = slice(low * _TOKEN_BYTES, middle * _TOKEN_BYTES)
        low, high = (middle, high) if one[part] == other[part] else (low, middle - 1)
    return low
