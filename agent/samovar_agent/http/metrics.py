"""`GET /metrics`: numbers for Prometheus. Reading them loads nothing, and they name models but never what was said.

Nothing is measured for them: they are counts that their owners keep anyway, looked at when somebody asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

import psutil
from aiohttp import web

from samovar_agent import __version__
from samovar_agent.engine.tally import BOUNDS, Tally
from samovar_agent.http.open_work import Job, OpenWork
from samovar_agent.http.prometheus_text import CONTENT_TYPE, Family, histogram, text
from samovar_agent.http.request_counts import RequestCounts
from samovar_protocol.documents import DocumentState
from samovar_protocol.values import DownloadState, InstanceInfo, NetworkPolicy

if TYPE_CHECKING:
    from samovar_agent.services import Services

_REFRESH_SECONDS = 5.0
"""The store is asked no more often than this, however many read the metrics."""

_DOWNLOADS: tuple[str, ...] = get_args(DownloadState)
_DOCUMENTS: tuple[str, ...] = get_args(DocumentState)
_POLICIES: tuple[str, ...] = get_args(NetworkPolicy)

_COUNTERS = (
    ("prompt_tokens", "Tokens of prompts, those from the cache included."),
    ("cached_tokens", "Tokens of prompts that were not computed again."),
    ("completion_tokens", "Tokens written."),
    ("drafted_tokens", "Tokens that were guessed ahead."),
    ("accepted_tokens", "Guessed tokens that were right."),
    ("cache_hits", "Replies of whose prompts something was in memory."),
    ("cache_misses", "Replies of whose prompts nothing was in memory."),
    ("evictions", "Computed prefixes that made room for others."),
    ("snapshots_restored", "Computed prefixes that were read from disk."),
    ("snapshots_saved", "Computed prefixes that were written to disk."),
    ("loads", "Times that the model was brought into memory."),
    ("unloads", "Times that the model was taken out of memory."),
    ("load_failures", "Times that the model could not be loaded."),
    ("crashes", "Times that the model's process ended by itself."),
)
_HISTOGRAMS = (
    ("queue_wait", "queue_seconds", "Waiting in the model's queue."),
    ("first_token", "time_to_first_token_seconds", "From a request to its first token, loading included."),
    ("latency", "request_seconds", "From a request to its end, where that was its reply."),
)


class Metrics:
    """The endpoint. - counts, work: of the server."""

    def __init__(self, services: Services, counts: RequestCounts, work: OpenWork) -> None:
        self._services, self._counts, self._work = services, counts, work
        self._process = psutil.Process()
        self._stored: tuple[dict[str, int], dict[str, int]] = {}, {}
        self._stored_at: float | None = None

    async def show(self, request: web.Request, job: Job) -> web.Response:
        """Everything, in Prometheus' text format."""
        downloads, documents = await self._of_store()
        families = [
            *self._agent(),
            *self._server(),
            *_in_memory(self._services.instances.ls()),
            *_tallied(self._services.instances.tallies.all()),
            _states("samovar_downloads", "Downloads.", "state", downloads, _DOWNLOADS),
            _states("samovar_documents", "Documents of all collections.", "state", documents, _DOCUMENTS),
        ]
        return web.Response(body=text(families), headers={"Content-Type": CONTENT_TYPE})

    async def _of_store(self) -> tuple[dict[str, int], dict[str, int]]:
        """Downloads and documents by state."""
        now = time.monotonic()
        if self._stored_at is None or now - self._stored_at >= _REFRESH_SECONDS:
            self._stored_at = now
            downloads: dict[str, int] = {}
            for download in await self._services.downloads.ls():
                downloads[download.state] = downloads.get(download.state, 0) + 1
            counts = await self._services.store.documents.counts()
            self._stored = downloads, {str(state): count for state, count in counts.items()}
        return self._stored

    def _agent(self) -> Iterator[Family]:
        services, process = self._services, self._process
        network = services.gate.info()
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info().rss
        yield Family("samovar_info", "gauge", "The agent.", [({"version": __version__}, 1)])
        yield Family("process_resident_memory_bytes", "gauge", "Of the agent alone.", [({}, memory)])
        yield Family("process_cpu_seconds", "counter", "Of the agent alone.", [({}, times.user + times.system)])
        yield Family("process_start_time_seconds", "gauge", "Unix time.", [({}, services.started_at)])
        yield Family("samovar_events", "counter", "Changes that were told.", [({}, services.events.sequence)])
        yield _states("samovar_network_policy", "1 for what holds.", "policy", {network.policy: 1}, _POLICIES)
        yield Family("samovar_network_connected", "gauge", "1 with a network.", [({}, int(network.connected))])

    def _server(self) -> Iterator[Family]:
        requests = [
            ({"method": method, "route": path, "status": str(status)}, count)
            for method, path, status, count in self._counts.all()
        ]
        yield Family("samovar_http_requests", "counter", "Requests that were answered.", requests)
        yield Family("samovar_http_open_streams", "gauge", "Streams that are open.", [({}, self._work.streams)])


def _in_memory(instances: Sequence[InstanceInfo]) -> Iterator[Family]:
    """What is now; a model that is in memory twice counts twice."""

    def each(name: str, about: str, value: Callable[[InstanceInfo], int]) -> Family:
        sums: dict[str, int] = {}
        for instance in instances:
            sums[instance.model] = sums.get(instance.model, 0) + value(instance)
        return Family(f"samovar_model_{name}", "gauge", about, [({"model": model}, sums[model]) for model in sums])

    yield each("loaded", "Instances that are ready.", lambda one: one.state == "ready")
    yield each("memory_bytes", "Resident memory of the model's processes.", lambda one: one.memory_bytes)
    yield each("active_requests", "Requests that run.", lambda one: one.active)
    yield each("queued_requests", "Requests that wait.", lambda one: one.queued)


def _tallied(tallies: Mapping[str, Tally]) -> Iterator[Family]:
    """What was, also of models that are no longer in memory."""
    outcomes = [
        ({"model": model, "outcome": outcome}, count)
        for model, tally in tallies.items()
        for outcome, count in tally.outcomes.items()
    ]
    yield Family("samovar_model_requests", "counter", "Requests that are over.", outcomes)
    for name, about in _COUNTERS:
        values = [({"model": model}, getattr(tally, name)) for model, tally in tallies.items()]
        yield Family(f"samovar_model_{name}", "counter", about, values)
    for attribute, name, about in _HISTOGRAMS:
        samples = [
            sample
            for model, tally in tallies.items()
            for sample in histogram({"model": model}, BOUNDS, getattr(tally, attribute))
        ]
        yield Family(f"samovar_model_{name}", "histogram", about, samples)


def _states(name: str, about: str, label: str, counts: Mapping[str, int], known: Sequence[str]) -> Family:
    """One sample for each value that there is, also where it is 0."""
    return Family(name, "gauge", about, [({label: value}, counts.get(value, 0)) for value in known])
