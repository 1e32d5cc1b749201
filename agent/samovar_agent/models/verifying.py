"""Reading models again from end to end: do their bytes still have the digest that was known for them?"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samovar_agent.models.entry import Entry
from samovar_agent.models.gguf_reader import printable, shown
from samovar_agent.models.other_programs import hub_digest
from samovar_agent.store.digests import DigestRow
from samovar_agent.threads import Stopped, reporting
from samovar_protocol.values import Progress, VerifiedModel

_CHUNK_BYTES = 1024 * 1024
_REPORT_SECONDS = 0.1


@dataclass(slots=True)
class Verified:
    """- models: a finding each. - recorded: digests that nobody had known."""

    models: list[VerifiedModel] = field(default_factory=list)
    recorded: list[DigestRow] = field(default_factory=list)


async def verify(
    entries: Sequence[Entry], digests: dict[str, DigestRow], *, on_progress: Callable[[Progress], None]
) -> Verified:
    """Read every file of these models. - digests: those that were recorded, by path.

    Cancelled, or where `on_progress` raises, it stops within one chunk; then nothing is recorded.
    """
    return await reporting(lambda report, stop: _Reading(digests, report, stop).all(entries), on_progress)


class _Reading:
    def __init__(
        self, digests: dict[str, DigestRow], report: Callable[[Progress], None], stop: threading.Event
    ) -> None:
        self.verified = Verified()
        self._digests = digests
        self._report = report
        self._stop = stop
        self._buffer = memoryview(bytearray(_CHUNK_BYTES))
        self._began = time.monotonic()
        self._reported = 0.0
        self._read = 0
        self._done = 0.0
        self._total = 0.0

    def all(self, entries: Sequence[Entry]) -> Verified:
        self._total = sum(entry.info.size_bytes for entry in entries if entry.info.state != "missing")
        for entry in entries:
            before = self._done
            self.verified.models.append(self._one(entry))
            if entry.info.state != "missing":  # also where it was not read to its end
                self._done = before + entry.info.size_bytes
            self._tell()
        return self.verified

    def _one(self, entry: Entry) -> VerifiedModel:
        info = entry.info
        if info.state == "missing":
            return VerifiedModel(key=info.key, outcome="missing", problem=info.problem)
        files = [Path(file) for file in entry.look.files]
        expected = [self._expected(entry, file) for file in files]
        if info.state == "partial" or (info.state == "broken" and not any(expected)):
            return VerifiedModel(key=info.key, outcome="broken", expected=expected[0], problem=info.problem)
        recorded = []
        for file, known in zip(files, expected, strict=True):
            try:
                size, digest = self._digest(file)
            except OSError as error:
                problem = printable(f"{shown(file)} could not be read: {error.strerror or error}.")
                return VerifiedModel(key=info.key, outcome="broken", expected=known, problem=problem)
            if known is None:
                recorded.append(DigestRow(path=shown(file), size_bytes=size, sha256=digest, recorded_at=time.time()))
            elif known != digest:
                return VerifiedModel(
                    key=info.key,
                    outcome="changed",
                    sha256=digest,
                    expected=known,
                    problem=printable(
                        f"{shown(file)} has other bytes than expected: sha256 {digest}, expected {known}."
                        f"{self._since(file)}"
                    ),
                )
        self.verified.recorded += recorded
        whole = digest if len(files) == 1 else None  # the digest of one part would pass for that of the model
        if info.state == "broken":
            return VerifiedModel(key=info.key, outcome="broken", sha256=whole, expected=whole, problem=info.problem)
        if recorded:
            return VerifiedModel(key=info.key, outcome="recorded", sha256=whole)
        return VerifiedModel(key=info.key, outcome="ok", sha256=whole, expected=whole)

    def _expected(self, entry: Entry, file: Path) -> str | None:
        if len(entry.look.files) == 1:
            return entry.expected
        if entry.origin in ("huggingface", "llama.cpp") and (digest := hub_digest(file)):
            return digest
        row = self._digests.get(shown(file))
        try:
            return row.sha256 if row and row.size_bytes == file.stat().st_size else None
        except OSError:
            return None

    def _since(self, file: Path) -> str:
        row = self._digests.get(shown(file))
        if row is None:
            return ""
        day = time.strftime("%Y-%m-%d", time.localtime(row.recorded_at))
        return f" The expected one is what it had on {day}; if it was replaced since, all is well."

    def _digest(self, file: Path) -> tuple[int, str]:
        digest = hashlib.sha256()
        size = 0
        with file.open("rb", buffering=0) as reader:
            while count := reader.readinto(self._buffer):
                if self._stop.is_set():
                    raise Stopped
                digest.update(self._buffer[:count])
                size += count
                self._read += count
                self._done = min(self._done + count, self._total)
                self._tell()
        return size, digest.hexdigest()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._reported < _REPORT_SECONDS and self._done < self._total:
            return
        self._reported = now
        speed = self._read / max(now - self._began, 1e-6)
        left = (self._total - self._done) / speed if speed else None
        self._report(
            Progress(stage="verifying", done=self._done, total=self._total, per_second=speed, eta_seconds=left)
        )
