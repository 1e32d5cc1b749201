"""Eight clients at once, for half a minute, or as long as `SAMOVAR_SOAK_SECONDS` says; 600 is a long day's use.

    SAMOVAR_SOAK_SECONDS=600 python -m pytest tests/soak -s

Every request ends in time, with a complete reply or with the failure that is right for it; no memory is lost; and the
worker that was there at the beginning is there at the end, idle, and answers as before.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import psutil
import pytest

import samovar
from samovar.requests import Chat, ConfigSet, Load, Message, Ps, Sampling
from tests.processes.agent import AgentProcess
from tests.soak.clients import Client, ControlClient, HttpClient, judge
from tests.soak.orders import CONTEXT, Orders
from tests.soak.report import Report, growth, level

SECONDS = float(os.environ.get("SAMOVAR_SOAK_SECONDS") or 30)
SEED = int(os.environ.get("SAMOVAR_SOAK_SEED") or 1)
CLIENTS = 8
PATIENCE = 120.0
"""Seconds after which a request counts as stuck; long, because other programs may be using the processor."""
ALLOWED_GROWTH = 0.05
LONG_SECONDS = 300.0
ATTIC_BYTES = 24_000_000
"""What a worker with this context parks beside its memory at most; it comes and goes with what is asked."""
SCORES_BYTES = 13_000_000
"""Scores of all that may reply at once. Only a long run is done with filling both, and says whether memory is flat."""
SAME = Chat(messages=[Message(role="user", content="Name three rivers.")], sampling=Sampling(seed=7, max_tokens=32))

pytestmark = [pytest.mark.processes, pytest.mark.model, pytest.mark.alone, pytest.mark.timeout(SECONDS + 2 * PATIENCE)]


@pytest.fixture
async def control(tmp_path: Path, small_model: Path) -> AsyncIterator[tuple[AgentProcess, samovar.Client]]:
    """An agent with the small model in memory."""
    agent = AgentProcess(tmp_path / "home").up()
    try:
        assert agent.cli("import", str(small_model), "--link").returncode == 0
        async with agent.client() as client:
            await client.call(ConfigSet(key="engine.threads", value=psutil.cpu_count(logical=False) or 1))
            # Refreshing the catalog loads the hub's library once: 10 MB that are no leak, at a time that chance picks.
            await client.call(ConfigSet(key="network.policy", value="offline"))
            await client.call(Load(name="smollm2-135m", context=CONTEXT))
            yield agent, client
    finally:
        agent.stop()


async def test_clients_at_random(control: tuple[AgentProcess, samovar.Client]) -> None:
    agent, client = control
    [worker] = agent.workers()
    before = await client.call(SAME)
    report = Report()
    until = time.monotonic() + SECONDS
    async with AsyncExitStack() as stack:
        session = aiohttp.ClientSession(agent.url, connector=aiohttp.TCPConnector(limit=0))
        await stack.enter_async_context(session)
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(report, worker, agent.process(), until))
            for number in range(CLIENTS):
                orders = Orders(random.Random(f"{SEED} {number}"), http=number % 2 == 0)
                one: Client
                if orders.http:
                    one = HttpClient(session, "smollm2-135m")
                else:
                    one = ControlClient(await stack.enter_async_context(agent.client()))
                group.create_task(_ask_until(until, one, orders, report))
    print(f"\nseed {SEED}, {SECONDS:g} s, {CLIENTS} clients: {report.summary()}")
    [instance] = (await client.call(Ps())).instances
    async with asyncio.timeout(PATIENCE):
        while instance.active or instance.queued:
            await asyncio.sleep(0.05)
            [instance] = (await client.call(Ps())).instances
    assert agent.workers() == [worker]
    assert (await client.call(SAME)).text == before.text
    filling = ATTIC_BYTES + SCORES_BYTES if SECONDS < LONG_SECONDS else 0
    assert growth(report.worker) <= ALLOWED_GROWTH * level(report.worker) + filling, report.summary()
    assert growth(report.agent) <= ALLOWED_GROWTH * level(report.agent), report.summary()


async def _ask_until(until: float, client: Client, orders: Orders, report: Report) -> None:
    while time.monotonic() < until:
        order = orders.next()
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await client.carry_out(order)
            judge(order, reply)
        except Exception as error:
            raise AssertionError(f"after {time.monotonic() - began:.1f} s: {error!r} to {order}") from error
        report.add(order, reply, time.monotonic() - began)
        if reply.texts:
            orders.remember(order, reply.texts[0])


async def _watch(report: Report, worker: psutil.Process, agent: psutil.Process, until: float) -> None:
    while time.monotonic() < until:
        now = time.monotonic()
        report.worker.append((now, worker.memory_info().rss))
        report.agent.append((now, agent.memory_info().rss))
        await asyncio.sleep(0.25)
