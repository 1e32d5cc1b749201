"""Brings one file to its place: over HTTP or out of a folder, resumed at the byte, and checked as a whole.

    sha256 = await fetch_file(gate, http, url, target, size_bytes=1000, sha256="ab…", requester="cli", on_done=show)

Until it is complete and is what it should be, it lies at `<name>.partial`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Awaitable, Callable
from io import FileIO
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from samovar_agent.network import partial_file
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http, refusal_of, web_page
from samovar_agent.network.partial_file import PartialFile
from samovar_agent.network.range_requests import RangeRequests
from samovar_agent.threads import Stopped, stoppable
from samovar_protocol import FailureCode, SamovarError

log = logging.getLogger("samovar.network")

T = TypeVar("T")
Stage = Literal["downloading", "copying", "verifying"]
OnDone = Callable[[Stage, int], None]
"""Told how many bytes of the file are through this stage."""

_READ_BYTES = 1 << 20
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

    async def fetch(file: PartialFile) -> None:
        await stoppable(lambda stop: _copy(source, file, stop, on_done))

    return await complete(target, size_bytes, sha256, fetch, on_done)


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
    try:
        for _ in range(_ROUNDS):
            await fetch(file)
            digest = await stoppable(lambda stop: _digest(file, stop, on_done))
            if not (damaged := file.missing()):
                break
            log.warning("bytes changed on the disk", extra={"file": str(target), "chunks": len(damaged)})
        else:
            raise SamovarError(
                FailureCode.DIGEST_MISMATCH,
                f"The disk does not give back what was written to {target.name}.",
                hint="Check the disk; the download can be resumed.",
            )
        if sha256 is not None and digest != sha256.lower():
            file.close()
            partial_file.remove(target)
            raise _mismatch(target.name, sha256.lower(), digest)
        await stoppable(lambda _: file.finish())
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


def _copy(source: Path, file: PartialFile, stop: threading.Event, on_done: OnDone) -> None:
    try:
        reader = source.open("rb", buffering=0)
    except OSError as error:
        raise SamovarError(
            FailureCode.NOT_FOUND,
            f"{source} cannot be read: {error.strerror or error}.",
            hint="Is the folder mounted? Try again, or take another source.",
        ) from error
    with reader:
        size = reader.seek(0, 2)
        if size != file.size_bytes:
            raise _mismatch(source.name, f"{file.size_bytes:,} bytes", f"{size:,} bytes")
        for start, end in file.missing():
            at = start
            while at < end:
                data = _read(reader, source, at, min(end - at, _READ_BYTES))
                at += file.write(at, data)
                on_done("copying", file.done_bytes)
                if stop.is_set():
                    raise Stopped


def _read(reader: FileIO, source: Path, at: int, count: int) -> bytes:
    try:
        reader.seek(at)
        if data := reader.read(count):
            return data
        problem = "it became shorter"
    except OSError as error:
        problem = error.strerror or str(error)
    raise SamovarError(
        FailureCode.NETWORK_FAILED,
        f"{source} could not be read: {problem}.",
        hint="Is its folder still there? Try again; what came is kept.",
    )


def _mismatch(name: str, expected: str, got: str) -> SamovarError:
    return SamovarError(
        FailureCode.DIGEST_MISMATCH,
        f"{name} is not the file that it should be: expected {expected}, got {got}.",
        hint="What came has been deleted; try another source.",
        details={"file": name, "expected": expected, "got": got},
    )
