"""One download that the agent owns: what is wanted, how far it is, and who waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from samovar_agent.models.download_progress import DownloadProgress
from samovar_agent.models.sources import FolderSource, Wanted
from samovar_agent.network import partial_file
from samovar_agent.network.partial_file import JOURNAL
from samovar_agent.paths import safe_path
from samovar_agent.store.downloads import DownloadRow
from samovar_protocol import Failure, SamovarError
from samovar_protocol.values import DownloadInfo, DownloadState, ModelInfo, Progress

log = logging.getLogger("samovar.models")

OnProgress = Callable[[Progress], None]


class DownloadJob:
    """A download that is not over, or could be gone on with.

    - wanted: what to fetch; another version may replace it while nothing runs. - destinations: of its parts.
    - background: it goes on when nobody waits for it. - ahead: downloads that go first; while it is queued.
    - asked: a person asked for it since this agent began. - came: something has come since somebody asked.
    - lock: held by who changes its state from outside. - task: while it runs.
    - finishing: while the library takes the files, which nobody stops.
    """

    def __init__(self, row: DownloadRow, wanted: Wanted, models: Path, *, background: bool) -> None:
        self.id = row.id
        self.name = row.name
        self.state: DownloadState = row.state
        self.priority = row.priority
        self.requester = row.requester
        self.created_at = row.created_at
        self.source = row.source
        self.model = row.model
        self.failure = msgspec.json.decode(row.failure, type=Failure) if row.failure else None
        self.background = background
        self.asked = True
        self.ahead = 0
        self.retries = 0
        self.retry: asyncio.TimerHandle | None = None
        self.came = False
        self.task: asyncio.Task[None] | None = None
        self.finishing: asyncio.Future[None] | None = None
        self.lock = asyncio.Lock()
        self.want(wanted, models)
        self.progress = DownloadProgress(self.total_bytes, row.done_bytes)
        self._followers: dict[asyncio.Future[ModelInfo], OnProgress] = {}

    def want(self, wanted: Wanted, models: Path) -> None:
        """Fetch this from now on. Raises `path_refused`."""
        self.wanted = wanted
        self.destinations = destinations(models, wanted)

    @property
    def total_bytes(self) -> int | None:
        """Of all parts; None where one is not known."""
        sizes = [part.size_bytes for part in self.wanted.parts]
        return sum(size for size in sizes if size) if all(sizes) else None

    @property
    def needs_no_network(self) -> bool:
        """Whether it only comes out of folders."""
        return all(isinstance(source, FolderSource) for source in self.wanted.sources)

    @property
    def followed(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._followers)

    def count_what_is_here(self) -> int:
        """Bytes of its parts on the disk; blocks."""
        here = 0
        for part, destination in zip(self.wanted.parts, self.destinations, strict=True):
            if part.size_bytes is None:
                continue
            if destination.is_file() and destination.stat().st_size == part.size_bytes:
                here += part.size_bytes
            else:
                here += partial_file.done_bytes(destination, size_bytes=part.size_bytes, sha256=part.sha256)
        return here

    def info(self) -> DownloadInfo:
        """As clients see it."""
        return DownloadInfo(
            id=self.id,
            name=self.name,
            state=self.state,
            progress=self._look(),
            source=self.source,
            priority=self.priority,
            requester=self.requester,
            created_at=self.created_at,
            model=self.model,
            problem=self.failure.message if self.failure else None,
            hint=self.failure.hint if self.failure else "",
        )

    async def follow(self, on_progress: OnProgress) -> ModelInfo:
        """The model, once it is here; raises why it does not come, or what `on_progress` raises."""
        end: asyncio.Future[ModelInfo] = asyncio.get_running_loop().create_future()
        self._followers[end] = on_progress
        try:
            on_progress(self._look())
            return await end
        finally:
            del self._followers[end]

    def tell(self) -> None:
        """Progress to all who wait."""
        progress = self._look()
        for end, on_progress in tuple(self._followers.items()):
            try:
                on_progress(progress)
            except Exception as error:
                if not end.done():
                    end.set_exception(error)

    def settle(self, outcome: ModelInfo | SamovarError) -> None:
        """It is over, for now; all who wait learn how."""
        for end in self._followers:
            if end.done():
                continue
            if isinstance(outcome, SamovarError):
                end.set_exception(outcome)
            else:
                end.set_result(outcome)

    def _look(self) -> Progress:
        if self.state == "running":
            return self.progress.look()
        if self.state == "queued":
            return Progress(stage="queued", done=self.ahead, unit="requests")
        return Progress(stage=self.state, done=self.progress.done, total=self.progress.total)


def destinations(models: Path, wanted: Wanted) -> list[Path]:
    """Where the parts will lie. Raises `path_refused`, also where there is no room in a name for what comes before."""
    for part in wanted.parts:
        safe_path(models, wanted.publisher, wanted.name, part.name + JOURNAL)
    return [safe_path(models, wanted.publisher, wanted.name, part.name) for part in wanted.parts]


def info_of(row: DownloadRow) -> DownloadInfo:
    """A download that is over."""
    failure = msgspec.json.decode(row.failure, type=Failure) if row.failure else None
    return DownloadInfo(
        id=row.id,
        name=row.name,
        state=row.state,
        progress=Progress(stage=row.state, done=row.done_bytes, total=row.total_bytes),
        source=row.source,
        priority=row.priority,
        requester=row.requester,
        created_at=row.created_at,
        model=row.model,
        problem=failure.message if failure else None,
        hint=failure.hint if failure else "",
    )
