"""Brings one file to its place: over HTTP or out of a folder, resumed at the byte, and checked as a whole.

    sha256 = await fetch_file(gate, http, url, target, size_bytes=1000, sha256="ab…", requester="cli", on_done=show)

Until it is complete and is what it should be, it lies at `<name>.partial`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from samovar_agent.network import partial_file
from samovar_agent.network.background import in_thread
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http, refusal_of, web_page
from samovar_agent.network.partial_file import PartialFile
from samovar_agent.network.range_requests import RangeRequests
from samovar_agent.network.refusals import mismatch
from samovar_agent.threads import Stopped, stoppable
from samovar_protocol import FailureCode, SamovarError

log = logging.getLogger("samovar.network")

T = TypeVar("T")
Stage = Literal["downloading", "copying", "verifying"]
OnDone = Callable[[Stage, int], None]
"""Told how many bytes of the file are through this stage."""

_READ_BYTES = 4 << 20
_ROUNDS = 3
"""So often chunks that the disk returns differently are fetched again; more means that the disk is broken."""


async def fetch_file(
    gate: Gate,
    http: Http,
    url: str,
    target: Path,
    *,
    size_bytes: int,
    sha256: str | None,
    requester: str,
    token: str | None = None,
    connections: int = 4,
    on_done: OnDone = lambda *_: None,
    first_delay: float = 0.5,
) -> str:
    """Fetch `url` to `target`, going on with what is there already, and return its SHA-256.

    - target: replaced at once, or left as it was; its folder is made. One fetch at a time for one target.
    - sha256: None checks nothing but what the disk did to it. - token: for the host of `url` only.
    - connections: at most so many at a time. - on_done: called often. - first_delay: seconds before the first retry.
    Raises what `RangeRequests.run` raises, and `digest_mismatch`; what came is kept but for the latter.
    """

    downloading = _rising(lambda done: on_done("downloading", done))

    async def fetch(file: PartialFile) -> None:
        requests = RangeRequests(
            gate,
            http,
            url,
            file,
            token=token,
            digest_known=sha256 is not None,
            requester=requester,
            connections=connections,
            on_done=downloading,
            first_delay=first_delay,
        )
        await requests.run()

    return await complete(target, size_bytes, sha256, fetch, on_done)


async def size_of(gate: Gate, http: Http, url: str, *, requester: str, what: str, token: str | None = None) -> int:
    """How many bytes `url` has, where nobody said so before. - what: the file, as people call it.

    Raises what the gate and the server refuse with, and `network_failed` where the server does not say.
    """
    async with (
        gate.connection(
            "model-download", urlsplit(url).hostname or "", requester, asked=True, detail=what
        ) as permission,
        http.request(permission, url, headers={"Range": "bytes=0-0"}, token=token) as response,
    ):
        if response.status == 206:
            said = response.headers.get("Content-Range", "").rpartition("/")[2]
        elif response.status == 200:
            said = response.headers.get("Content-Length", "")
        else:
            raise refusal_of(response, what)
        if re.fullmatch(r"[1-9]\d{0,14}", said):
            return int(said)
        raise web_page(response) or SamovarError(
            FailureCode.NETWORK_FAILED, f"The server does not say how large {what} is.", hint="Try another source."
        )


async def copy_file(
    source: Path, target: Path, *, size_bytes: int, sha256: str | None, on_done: OnDone = lambda *_: None
) -> str:
    """As `fetch_file`, but from a file, e.g. of a mounted network folder. Raises `not_found` where it is not there."""

    return await complete(target, size_bytes, sha256, lambda file: _copy(source, file, on_done), on_done)


async def complete(
    target: Path,
    size_bytes: int,
    sha256: str | None,
    fetch: Callable[[PartialFile], Awaitable[None]],
    on_done: OnDone,
) -> str:
    """Let `fetch` bring what is missing, check the whole, give it its name, and return its SHA-256.

    Raises `digest_mismatch`, after which nothing of it is left, `disk_full`, and what `fetch` raises.
    """
    file = await stoppable(lambda _: PartialFile.open(target, size_bytes=size_bytes, sha256=sha256))
    others = file.done_bytes > 0  # from an earlier try, perhaps of another source
    try:
        for _ in range(_ROUNDS):
            await fetch(file)
            digest = await stoppable(lambda stop: _digest(file, stop, on_done))
            if damaged := file.missing():
                log.warning("bytes changed on the disk", extra={"file": str(target), "chunks": len(damaged)})
            elif sha256 is None or digest == sha256.lower() or not others:
                break
            else:
                log.warning("what was here already was wrong; it begins anew", extra={"file": str(target)})
                others = False
                await stoppable(lambda _: file.restart())
        else:
            raise SamovarError(
                FailureCode.DIGEST_MISMATCH,
                f"The disk does not give back what was written to {target.name}.",
                hint="Check the disk; the download can be resumed.",
            )
        if sha256 is not None and digest != sha256.lower():
            file.close()
            partial_file.remove(target)
            raise mismatch(target.name, sha256.lower(), digest)
        await stoppable(lambda _: file.sync())
        file.finish()  # at once, so that whoever cancels this finds it either whole and named, or partial
        return digest
    finally:
        file.close()


def _rising(tell: Callable[[int], None]) -> Callable[[int], None]:
    """Tell only of more: what is fetched again is no step back to who watches."""
    highest = 0

    def rise(done: int) -> None:
        nonlocal highest
        highest = max(highest, done)
        tell(highest)

    return rise


def _digest(file: PartialFile, stop: threading.Event, on_done: OnDone) -> str:
    done = 0

    def read(count: int) -> None:
        nonlocal done
        done += count
        on_done("verifying", done)
        if stop.is_set():
            raise Stopped

    return file.digest(read)


async def _copy(source: Path, file: PartialFile, on_done: OnDone) -> None:
    # A folder whose server has gone blocks for minutes, and who leaves does not wait for that: the thread that is left
    # behind only ever reads. What is written is waited for, so that nobody writes here once this has ended.
    reader = await in_thread(_open, source)
    try:
        size = await in_thread(reader.size)
        if size != file.size_bytes:
            raise mismatch(source.name, f"{file.size_bytes:,} bytes", f"{size:,} bytes")
        for start, end in file.missing():
            at = start
            while at < end:
                data = await in_thread(_read, reader, source, at, min(end - at, _READ_BYTES))
                at += await stoppable(partial(_write, file, at, data))
                on_done("copying", file.done_bytes)
    finally:
        reader.close_soon()


class _Reader:
    """A file that is read in threads which may outlive who wanted it."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._lock = threading.Lock()  # its number must not become another file's while a read is under way

    def size(self) -> int:
        with self._lock:
            return self._file.seek(0, 2)

    def read(self, at: int, count: int) -> bytes:
        with self._lock:
            self._file.seek(at)
            return self._file.read(count)

    def close_soon(self) -> None:
        """Once no read is under way, however long that takes; waits for nothing."""
        threading.Thread(target=self._close, name="samovar-close", daemon=True).start()

    def _close(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._file.close()


def _open(source: Path) -> _Reader:
    try:
        return _Reader(source.open("rb", buffering=0))
    except OSError as error:
        raise SamovarError(
            FailureCode.NOT_FOUND,
            f"{source} cannot be read: {error.strerror or error}.",
            hint="Is the folder mounted? Try again, or take another source.",
        ) from error


def _read(reader: _Reader, source: Path, at: int, count: int) -> bytes:
    try:
        if data := reader.read(at, count):
            return data
        problem = "it became shorter"
    except OSError as error:
        problem = error.strerror or str(error)
    raise SamovarError(
        FailureCode.NETWORK_FAILED,
        f"{source} could not be read: {problem}.",
        hint="Is its folder still there? Try again; what came is kept.",
    )


def _write(file: PartialFile, at: int, data: bytes, _stop: threading.Event) -> int:
    file.write(at, data)
    return len(data)
