"""Numbers for Prometheus, read by its own parser: each of them moves when what it counts happens."""

import asyncio
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from samovar_agent.engine.tally import Tallies, Tally
from samovar_agent.http import metrics
from samovar_agent.http.metrics import _COUNTERS
from samovar_protocol.values import DownloadInfo, InstanceInfo, NetworkInfo
from tests.samovar_agent.http.conftest import KEY, STATS, Agent, Browser

_KINDS = ("counter", "gauge", "histogram")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Source:
    """What the metrics look at, beside what the agent of these tests has anyway."""

    def __init__(self, agent: Agent) -> None:
        self.documents: dict[str, int] = {}
        self.asked = 0
        self.network = NetworkInfo(policy="online", connected=True)
        self.tallies: Tallies = Tallies()
        agent.instances.tallies = self.tallies  # type: ignore[attr-defined]
        agent.services.gate = SimpleNamespace(info=lambda: self.network)  # type: ignore[assignment]
        agent.services.started_at = 1000.0
        agent.store.documents = SimpleNamespace(counts=self._counts)

    async def _counts(self) -> dict[str, int]:
        self.asked += 1
        return self.documents


@pytest.fixture
def source(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(metrics, "_REFRESH_SECONDS", 0.0)
    return Source(agent)


async def scrape(browser: Browser) -> Samples:
    answer = await browser.ask("GET", "/metrics")
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: Samples = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, "each but once"
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


@pytest.mark.parametrize("name", [name for name, _ in _COUNTERS])
async def test_every_counter_of_a_model_moves_alone(browser: Browser, source: Source, name: str) -> None:
    tally = source.tallies.of(KEY)
    before = await scrape(browser)
    setattr(tally, name, getattr(tally, name) + 3)
    after = await scrape(browser)
    moved = {key for key in after if key[0].startswith("samovar_model_") and after[key] != before.get(key)}
    assert moved == {(f"samovar_model_{name}_total", frozenset({("model", KEY)}))}
    assert value(after, f"samovar_model_{name}_total", model=KEY) == 3


def test_no_counter_is_forgotten() -> None:
    numbers = {name for name, kept in vars(Tally()).items() if isinstance(kept, int)}
    assert numbers == {name for name, _ in _COUNTERS}


async def test_a_reply_moves_tokens_and_histograms(browser: Browser, source: Source) -> None:
    source.tallies.of(KEY).replied(STATS, 2.0)
    samples = await scrape(browser)
    for name, seconds in (("queue", 0.1), ("time_to_first_token", 1.5), ("request", 2.0)):
        assert value(samples, f"samovar_model_{name}_seconds_count", model=KEY) == 1
        assert value(samples, f"samovar_model_{name}_seconds_sum", model=KEY) == pytest.approx(seconds)
        assert value(samples, f"samovar_model_{name}_seconds_bucket", model=KEY, le="+Inf") == 1
        assert value(samples, f"samovar_model_{name}_seconds_bucket", model=KEY, le="0.05") == 0
    assert value(samples, "samovar_model_completion_tokens_total", model=KEY) == STATS.completion_tokens


async def test_outcomes_of_requests(browser: Browser, source: Source) -> None:
    source.tallies.of(KEY).outcomes["cancelled"] += 2
    samples = await scrape(browser)
    assert value(samples, "samovar_model_requests_total", model=KEY, outcome="cancelled") == 2
    assert value(samples, "samovar_model_requests_total", model=KEY, outcome="ok") == 0


async def test_what_is_in_memory(agent: Agent, browser: Browser, source: Source) -> None:
    agent.instances.loaded = [
        InstanceInfo(identifier=KEY, model=KEY, state="ready", memory_bytes=5, active=2, queued=7),
        InstanceInfo(identifier="mine", model=KEY, state="loading", memory_bytes=3, active=0, queued=1),
    ]
    samples = await scrape(browser)
    for name, expected in (("loaded", 1), ("memory_bytes", 8), ("active_requests", 2), ("queued_requests", 8)):
        assert value(samples, f"samovar_model_{name}", model=KEY) == expected
    agent.instances.loaded = []
    assert value(await scrape(browser), "samovar_model_loaded", model=KEY) is None


async def test_http_requests_by_route_and_status(agent: Agent, browser: Browser, source: Source) -> None:
    await browser.ask("GET", f"/v1/models/{KEY}")
    await browser.ask("GET", "/v1/models/no/such/model")
    await browser.ask("GET", "/v1/models/another")
    await browser.ask("GET", "/made/up/by/somebody?prompt=secret")
    await browser.ask("GET", "/v1/models", headers={"Host": "evil.test"})
    await browser.ask("HEAD", "/health")
    samples = await scrape(browser)

    def count(method: str, route: str, status: str) -> float | None:
        return value(samples, "samovar_http_requests_total", method=method, route=route, status=status)

    assert count("GET", "/v1/models/{id}", "200") == 1
    assert count("GET", "/v1/models/{id}", "404") == 2
    assert count("", "(none)", "404") == 1
    assert count("", "(none)", "403") == 1, "refused before anybody looks where it leads"
    assert count("HEAD", "/health", "200") == 1
    assert not any("secret" in str(key) or "made" in str(key) or "another" in str(key) for key in samples)
    assert (
        value(await scrape(browser), "samovar_http_requests_total", method="GET", route="/metrics", status="200") == 1
    )


async def test_open_streams_and_clients_that_left(
    agent: Agent, browser: Browser, source: Source, until: Callable[[Callable[[], bool]], Any]
) -> None:
    hold = asyncio.Event()
    agent.instances.items.append(hold)
    async with browser.open_stream() as response:
        await response.content.readline()
        assert value(await scrape(browser), "samovar_http_open_streams") == 1
        response.close()
    await until(lambda: agent.instances.closed.is_set())
    samples = await scrape(browser)
    assert value(samples, "samovar_http_open_streams") == 0
    route = "/v1/chat/completions"
    assert value(samples, "samovar_http_requests_total", method="POST", route=route, status="499") == 1


async def test_downloads_documents_and_the_network(agent: Agent, browser: Browser, source: Source) -> None:
    agent.downloads.listed = [DownloadInfo(id=n, name="a", state="running" if n else "failed") for n in range(3)]
    source.documents = {"queued": 4, "ready": 9}
    source.network = NetworkInfo(policy="ask", connected=False)
    samples = await scrape(browser)
    assert value(samples, "samovar_downloads", state="running") == 2
    assert value(samples, "samovar_downloads", state="failed") == 1
    assert value(samples, "samovar_downloads", state="paused") == 0
    assert value(samples, "samovar_documents", state="queued") == 4
    assert value(samples, "samovar_documents", state="indexing") == 0
    assert value(samples, "samovar_network_policy", policy="ask") == 1
    assert value(samples, "samovar_network_policy", policy="online") == 0
    assert value(samples, "samovar_network_connected") == 0


async def test_names_types_and_labels_are_as_prometheus_wants_them(
    agent: Agent, browser: Browser, source: Source
) -> None:
    hostile = 'maker/"quoted\\" {model="x"} 1\nsamovar_fake 1\u202e'
    for model in (KEY, hostile):
        source.tallies.of(model).replied(STATS, 1.0)
    agent.instances.loaded = [InstanceInfo(identifier="x", model=hostile, state="ready")]
    text = (await browser.ask("GET", "/metrics")).body.decode()
    assert not [line for line in text.splitlines() if line.startswith("samovar_fake")]
    metadata = [line.split(" ")[1:3] for line in text.splitlines() if line.startswith("# ")]
    assert len(metadata) == len({tuple(one) for one in metadata}), "one HELP and one TYPE each"
    assert [one[1] for one in metadata[::2]] == [one[1] for one in metadata[1::2]]
    models: set[str] = set()
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"(samovar|process)(_[a-z]+)+", family.name) and family.type in _KINDS
        assert not re.search(r"(milliseconds|_ms|minutes|kilobytes|_mb|percent)$", family.name), "base units"
        assert not (family.type != "counter" and family.name.endswith("total"))
        assert family.type != "histogram" or family.name.endswith("_seconds")
        for sample in family.samples:
            assert family.type != "counter" or sample.name == f"{family.name}_total"
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert len(labels) == 1, "the same labels on all of it"
        models |= {sample.labels["model"] for sample in family.samples if "model" in sample.labels}
    assert models == {KEY, hostile}


async def test_of_the_agent_itself(agent: Agent, browser: Browser, source: Source) -> None:
    samples = await scrape(browser)
    assert value(samples, "process_start_time_seconds") == 1000.0
    assert (value(samples, "process_resident_memory_bytes") or 0) > 10_000_000
    assert (value(samples, "process_cpu_seconds_total") or 0) > 0
    assert value(samples, "samovar_events_total") == agent.events.sequence


async def test_reading_loads_nothing_and_asks_the_store_now_and_then(
    agent: Agent, browser: Browser, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_REFRESH_SECONDS", 3600.0)
    for _ in range(5):
        await scrape(browser)
    assert source.asked == 1
    assert not agent.instances.calls and not agent.instances.others


async def test_where_tokens_are_needed_any_will_do(agent: Agent, browser: Browser, source: Source) -> None:
    agent.settings.set("server.require_token", True)
    assert (await browser.ask("GET", "/metrics")).status == 401
    headers = {"x-api-key": agent.tokens.add("prometheus", "embed")}
    assert (await browser.ask("GET", "/metrics", headers=headers)).status == 200
