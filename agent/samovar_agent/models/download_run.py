"""One run of a download: room on the disk, sources in their order, part after part, and the model in the library."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from samovar_agent.models import placing, replacing
from samovar_agent.models.download_job import DownloadJob
from samovar_agent.models.download_sources import DownloadSources
from samovar_agent.models.library import Library
from samovar_agent.models.sources import Part, Source, kind
from samovar_agent.network import partial_file
from samovar_agent.network.packages import temporary_folder
from samovar_agent.threads import Stopped, stoppable
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ModelInfo

log = logging.getLogger("samovar.models")

_TRY_ANOTHER_SOURCE = frozenset(
    {
        FailureCode.NETWORK_FAILED,
        FailureCode.NOT_FOUND,
        FailureCode.GATED,
        FailureCode.DIGEST_MISMATCH,
        FailureCode.MODEL_FILE_MISSING,
        FailureCode.MODEL_FILE_BROKEN,
        FailureCode.MODEL_UNSUPPORTED,
    }
)
_NO_MODEL = frozenset({FailureCode.MODEL_FILE_BROKEN, FailureCode.MODEL_UNSUPPORTED})
_SPARE_BYTES = 64 << 20
"""Left free on the disk, so that settings and the store can still be written."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files lie where they belong. - source: that had them. - digests: of each part."""

    source: Source
    digests: list[str]


class DownloadRun:
    """Brings what a job wants. - models: our folder. - promised: bytes that other downloads will still write there."""

    def __init__(self, models: Path, library: Library, sources: DownloadSources, promised: Callable[[], int]) -> None:
        self._models, self._library, self._sources, self._promised = models, library, sources, promised

    async def fetch(self, job: DownloadJob) -> Fetched:
        """All files of it. What came is kept where this raises or is cancelled, unless it was wrong.

        Raises what `DownloadSources.fetch` raises; where several sources were tried, what each of them said.
        """
        job.progress.moved = False
        problems: list[tuple[str, SamovarError]] = []
        try:
            for source in job.wanted.sources:
                job.source = kind(source)
                try:
                    return Fetched(source, await self._fetch_from(job, source))
                except SamovarError as error:
                    if error.code not in _TRY_ANOTHER_SOURCE:
                        raise
                    log.warning(
                        "a source did not work", extra={"model": job.name, "source": job.source, "problem": str(error)}
                    )
                    problems.append((job.source, error))
            raise _together(problems)
        finally:
            for destination in job.destinations:
                replacing.rest(destination)
            placing.remove_empty(self._models, job.destinations[0].parent)

    async def add(self, job: DownloadJob, fetched: Fetched) -> ModelInfo:
        """The model, in the library.

        Raises `model_file_broken` or `model_unsupported`; then nothing of it stays, and what it replaced is back.
        """
        for destination in job.destinations:
            partial_file.remove(destination)  # what another source had sent
            shutil.rmtree(temporary_folder(destination), ignore_errors=True)
        digests = fetched.digests
        try:
            model = await self._library.add(
                job.destinations[0],
                job.wanted.publisher,
                job.wanted.name,
                sha256=digests[0] if len(digests) == 1 else None,
                source=msgspec.json.encode(fetched.source).decode(),
                part_sha256=digests if len(digests) > 1 else (),
            )
        except SamovarError as error:
            if error.code in _NO_MODEL:
                # These are the bytes that were asked for, and they are no model: nothing that should lie around.
                # Where some of it was replaced, the other parts are the old one's too.
                back = [replacing.put_back(destination) for destination in job.destinations]
                if not any(back):
                    for destination in job.destinations:
                        destination.unlink(missing_ok=True)
                placing.remove_empty(self._models, job.destinations[0].parent)
            raise
        for destination in job.destinations:
            replacing.forget(destination)
        return model

    async def _fetch_from(self, job: DownloadJob, source: Source) -> list[str]:
        here = await asyncio.to_thread(job.count_what_is_here)
        job.progress.begin(job.total_bytes, here)
        if job.total_bytes is not None:
            _check_room(self._models, job.total_bytes - here + self._promised())
        return [
            await self._part(job, source, part, destination)
            for part, destination in zip(job.wanted.parts, job.destinations, strict=True)
        ]

    async def _part(self, job: DownloadJob, source: Source, part: Part, destination: Path) -> str:
        digest = await self._here(job, part, destination) if part.size_bytes and part.sha256 else None
        if digest is None:
            await stoppable(lambda _: replacing.set_aside(destination))
            digest = await self._sources.fetch(
                job.wanted, source, part, destination, requester=job.requester, progress=job.progress
            )
        job.progress.part_is_here(part.size_bytes or 0)
        return digest

    async def _here(self, job: DownloadJob, part: Part, destination: Path) -> str | None:
        """The digest of a part that is complete already, as where the agent was killed between two of them."""

        def look(stop: threading.Event) -> str | None:
            if not destination.is_file() or destination.stat().st_size != part.size_bytes:
                return None
            digest, done = hashlib.sha256(), 0
            with destination.open("rb") as file:
                while data := file.read(1 << 20):
                    digest.update(data)
                    done += len(data)
                    job.progress.of_part("verifying", done)
                    if stop.is_set():
                        raise Stopped
            return part.sha256 if digest.hexdigest() == part.sha256 else None

        return await stoppable(look)


def delete_what_came(models: Path, job: DownloadJob) -> None:
    """Nothing of a download that will not be gone on with stays; of a split model neither. Blocks."""
    for destination in job.destinations:
        partial_file.remove(destination)
        shutil.rmtree(temporary_folder(destination), ignore_errors=True)
        replacing.put_back(destination)  # what came in its place was never looked at
    if len(job.destinations) > 1 and not all(destination.exists() for destination in job.destinations):
        for destination in job.destinations:
            destination.unlink(missing_ok=True)
    placing.remove_empty(models, job.destinations[0].parent)


def _check_room(models: Path, need: int) -> None:
    models.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(models).free
    if need + _SPARE_BYTES > free:
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"The download needs {need / 1e6:,.0f} MB of disk, and {free / 1e6:,.0f} MB are free.",
            hint=f"Free some room on the disk of {models}, and get it again.",
            details={"need_bytes": need, "free_bytes": free},
        )


def _together(problems: list[tuple[str, SamovarError]]) -> SamovarError:
    """The first source's problem, which is the one that people expect it to come from, and what the others said."""
    first = problems[0][1]
    if len(problems) == 1:
        return first
    others = " ".join(f"From {source}: {error.failure.message}" for source, error in problems[1:])
    return SamovarError(
        first.code, f"{first.failure.message} {others}", hint=first.hint, details=dict(first.failure.details)
    )
