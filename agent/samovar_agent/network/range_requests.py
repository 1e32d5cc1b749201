"""Fetches what is missing of a file over HTTP: several ranges at a time, or all in a row where a server has none.

    await RangeRequests(gate, http, url, file, requester="cli").run()

What a server says of range, size and version is checked at each answer; whether the bytes are right is for who has the
digest to say.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from samovar_agent.network.gate import Connection, Gate, refusal
from samovar_agent.network.http import Http, Response, refusal_of, web_page
from samovar_agent.network.partial_file import PartialFile
from samovar_protocol import FailureCode, SamovarError

log = logging.getLogger("samovar.network")

T = TypeVar("T")

_SPAN_BYTES = 16 << 20
"""The least that is asked for at a time: each request to a hub counts against its limit, and is redirected first."""
_LONGEST_SPAN_BYTES = 256 << 20
_WRITE_BYTES = 512 << 10
_WRITE_SECONDS = 0.5
_TRIES = 4
_PATIENT_TRIES = 8
"""In a row without a byte; patient once something has come, because then the server is known to be the right one."""
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_LONGEST_RETRY_AFTER = 900.0
_SIZE = re.compile(r"/(\d{1,15})\Z")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")


class _Changed(Exception):
    """The server has another version now."""


@dataclass(slots=True)
class _Span:
    """Bytes that one request asks for. - at: the next one. - failures: in a row without a byte."""

    at: int
    end: int
    failures: int = 0


class RangeRequests:
    """One run for one file.

    - url, token: where it is; the token goes to that host only. - file: takes the bytes. - digest_known: somebody will
      check the whole. - connections: at most so many at a time. - on_done: called with the bytes that are here.
    - first_delay: seconds before the first retry.
    """

    def __init__(
        self,
        gate: Gate,
        http: Http,
        url: str,
        file: PartialFile,
        *,
        token: str | None = None,
        digest_known: bool,
        requester: str,
        connections: int = 4,
        on_done: Callable[[int], None] = lambda _: None,
        first_delay: float = _FIRST_DELAY,
    ) -> None:
        self._gate, self._http, self._url, self._file, self._token = gate, http, url, file, token
        self._digest_known = digest_known
        self._requester = requester
        self._connections = connections
        self._on_done = on_done
        self._first_delay = first_delay
        self._done = 0
        self._came = False
        self._ranges: bool | None = None
        self._answered = asyncio.Event()
        self._not_before = 0.0
        self._restarts = 0
        self._spans: deque[_Span] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Fetch until nothing is missing.

        Raises `network_offline`, `network_failed` after several tries, `not_found`, `gated`, `disk_full`, or
        `digest_mismatch` where the server has a file of another size. What came is kept.
        """
        host = urlsplit(self._url).hostname or ""
        detail = self._file.target.name
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="download") as self._disk:
            async with self._gate.connection(
                "model-download", host, self._requester, asked=True, detail=detail
            ) as connection:
                while missing := await self._in_thread(self._file.missing):
                    self._done = self._file.done_bytes
                    self._on_done(self._done)
                    self._spans = deque(self._cut(missing))
                    await self._round(connection)

    def _cut(self, missing: list[tuple[int, int]]) -> Iterable[_Span]:
        left = sum(end - start for start, end in missing)
        longest = min(max(left // (2 * self._connections), _SPAN_BYTES), _LONGEST_SPAN_BYTES)
        for start, end in missing:
            while start < end:
                stop = self._file.chunk_end(start + longest - 1)
                yield _Span(start, min(stop, end))
                start = stop

    async def _round(self, connection: Connection) -> None:
        """Work until every span was had, or something stops all."""
        try:
            self._answered.clear()
            self._start(connection)
            answered = asyncio.ensure_future(self._answered.wait())
            try:
                await asyncio.wait([*self._workers, answered], return_when=asyncio.FIRST_COMPLETED)
            finally:
                answered.cancel()
            if self._ranges:
                for _ in range(min(self._connections - 1, len(self._spans))):
                    self._start(connection)
            await asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in self._workers:
                if worker.done() and not worker.cancelled():
                    worker.result()
        except _Changed:
            await self._stop(self._workers)
            log.info("a file changed while it came; it begins anew", extra={"file": self._file.target.name})
            await self._in_thread(self._file.restart)
        finally:
            await self._stop(self._workers)
            self._workers.clear()

    def _start(self, connection: Connection) -> None:
        self._workers.add(asyncio.create_task(self._work(connection)))

    async def _stop(self, workers: Iterable[asyncio.Task[None]]) -> None:
        workers = list(workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, connection: Connection) -> None:
        while self._spans:
            span = self._spans.popleft()
            while span.at < span.end:
                try:
                    await self._request(connection, span)
                except SamovarError as error:
                    if error.code != FailureCode.NETWORK_FAILED:
                        raise
                    if not await self._try_again(span, error):
                        return

    async def _try_again(self, span: _Span, error: SamovarError) -> bool:
        """Wait for the next try; false where this worker gives up and others go on."""
        info = self._gate.refresh()
        if reason := refusal(info.policy, connected=info.connected, asked=True):
            raise reason from error
        span.failures += 1
        if span.failures > (_PATIENT_TRIES if self._came else _TRIES) or _retry_after(error) > _LONGEST_RETRY_AFTER:
            if all(worker.done() for worker in self._workers if worker is not asyncio.current_task()):
                raise error
            span.failures = 0
            self._spans.append(span)  # perhaps this server takes fewer connections than we open
            return False
        delay = min(self._first_delay * 2 ** (span.failures - 1), _LONGEST_DELAY) * random.uniform(0.75, 1.25)  # noqa: S311
        self._not_before = max(self._not_before, time.monotonic() + _retry_after(error))
        log.info("a download is tried again", extra={"file": self._file.target.name, "problem": error.failure.message})
        await asyncio.sleep(delay)
        return True

    async def _request(self, connection: Connection, span: _Span) -> None:
        while (wait := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        headers = {"Accept-Encoding": "identity"}
        if self._ranges is not False:
            headers["Range"] = f"bytes={span.at}-{span.end - 1}"
            if self._file.etag and self._file.url == self._url:
                headers["If-Range"] = self._file.etag
        async with self._http.request(connection, self._url, headers=headers, token=self._token) as response:
            if response.status == 206:
                self._check_range(response, span)
                await self._check_version(response)
                self._ranges = True
                self._answered.set()
                await self._take(response, span, span.at, span.end)
            elif response.status == 200:
                self._check_length(response)
                await self._check_version(response)
                await self._take_all(response, span)
            elif response.status == 416:
                found = _SIZE.search(response.headers.get("Content-Range", ""))
                raise self._other_size(found[1] if found else "")
            else:
                raise refusal_of(response, self._file.target.name)

    async def _take_all(self, response: Response, span: _Span) -> None:
        """The server has no ranges: this one answer is all that it gives."""
        self._ranges = False
        self._spans.clear()
        await self._stop(self._workers - {asyncio.current_task()})
        self._answered.set()
        await self._take(response, span, 0, self._file.size_bytes)
        span.at = span.end

    async def _take(self, response: Response, span: _Span, at: int, end: int) -> None:
        """Write the body, which begins at `at`, up to `end`."""
        coming = bytearray()
        written = time.monotonic()
        try:
            async for data in response.chunks():
                room = end - at - len(coming)
                coming += data[:room]
                if len(data) > room and response.status == 200:
                    raise self._other_size(f"more than {end:,}")
                if len(data) >= room:
                    return
                if len(coming) >= _WRITE_BYTES or time.monotonic() >= written + _WRITE_SECONDS:
                    full, coming = coming, bytearray()
                    at += len(full)
                    await self._write(span, at - len(full), full)
                    written = time.monotonic()
        finally:
            if coming:
                await self._write(span, at, coming)
        raise _failed(f"The connection for {self._file.target.name} ended before all had come.")

    async def _write(self, span: _Span, at: int, data: bytearray) -> None:
        new = await self._in_thread(lambda: self._file.write(at, data))
        span.at = max(span.at, at + len(data)) if self._ranges else span.at
        if new:
            span.failures = 0
            self._came = True
            self._done += new
            self._on_done(self._done)

    def _check_range(self, response: Response, span: _Span) -> None:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != span.at:
            # It can still be a sound server of whole files.
            self._ranges = False
            raise _failed(f"The server sent another part of {self._file.target.name} than was asked for.")
        if found[3] != "*" and int(found[3]) != self._file.size_bytes:
            raise self._other_size(found[3])

    def _check_length(self, response: Response) -> None:
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) == self._file.size_bytes:
            return
        if page := web_page(response):  # with or without a length
            raise page
        if length.isdecimal():
            raise self._other_size(length)

    async def _check_version(self, response: Response) -> None:
        """Parts of two versions make no file. Where the digest will tell, a server that never agrees with itself is
        believed the second time: some have several machines that number one file differently."""
        version = _version(response)
        before = self._file.etag if self._file.url == self._url else None
        same = version == before if before else self._file.url in ("", self._url) or self._digest_known
        if not same and (self._restarts == 0 or not self._digest_known):
            self._restarts += 1
            if self._restarts > 3:
                raise _failed(f"{self._file.target.name} changes on the server while it is fetched.")
            raise _Changed
        if (self._file.url, self._file.etag) != (self._url, version):
            await self._in_thread(lambda: self._file.came_from(self._url, version))

    def _other_size(self, got: str) -> SamovarError:
        expected = f"{self._file.size_bytes:,} bytes"
        name = self._file.target.name
        got = f"{int(got):,}" if got.isdecimal() else got or "another number"
        return SamovarError(
            FailureCode.DIGEST_MISMATCH,
            f"{name} is not the file that it should be: expected {expected}, the server has {got}.",
            hint="Try another source; perhaps this one has a newer version.",
            details={"file": name, "expected": expected, "got": got},
        )

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Call on the disk's thread, to the end also where we are cancelled."""
        work = asyncio.get_running_loop().run_in_executor(self._disk, function)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # retrieved, so that nobody warns of it
            raise


def _version(response: Response) -> str | None:
    """What a later request can name this version by: only strong marks promise the same bytes."""
    etag = response.headers.get("ETag")
    version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    return version if version and version.isascii() else None  # other bytes can be neither kept nor sent back


def _retry_after(error: SamovarError) -> float:
    seconds = error.failure.details.get("retry_after_seconds", 0)
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _failed(message: str) -> SamovarError:
    return SamovarError(FailureCode.NETWORK_FAILED, message, hint="Check the network and try again; what came is kept.")
