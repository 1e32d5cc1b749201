"""What the agent costs on a token's way from the worker to an HTTP client.

Two comparisons: the rate at which tokens reach an HTTP client against the rate that the worker measured for the very
same replies; and against a worker that this process drives itself, with no agent, in alternating runs.
"""

from __future__ import annotations

import asyncio

import samovar
from samovar_agent.engine.interface import Finished, Generation, LoadOptions
from samovar_agent.engine.process import WORKER_COMMAND, WorkerEngine
from samovar_agent.engine.worker_log import WorkerLog
from samovar_protocol import Endpoint, FailureCode, Places, SamovarError
from samovar_protocol.values import Message, Sampling
from tests.bench import sse
from tests.bench.home import running_agent
from tests.bench.model import THREADS, load_model, model_file
from tests.bench.report import Result, middle

MESSAGES = [Message(role="user", content="Tell me a long story about a tea kettle.")]
CONTEXT = 2048


def measure(*, quick: bool) -> list[Result]:
    """How many per cent of the tokens per second are lost."""
    runs, tokens = (3, 96) if quick else (11, 512)
    with running_agent() as endpoint:
        replies, alone = asyncio.run(_alternate(endpoint, runs, tokens))
    # A busy moment of the machine meets both rates of a reply, and both replies of a pair: ratios first.
    within = middle([100 * (1 - reply.here / reply.worker) for reply in replies])
    against = middle([100 * (1 - reply.here / rate) for reply, rate in zip(replies, alone, strict=True)])
    detail = f"median of {runs} replies of {tokens} tokens"
    return [
        Result(
            what="decode lost between worker and HTTP client, same replies",
            goal=3,
            measured=within,
            unit="%",
            detail=detail,
            command="python -m tests.bench decode",
        ),
        Result(
            what="decode lost against a worker without an agent",
            goal=3,
            measured=against,
            unit="%",
            detail=f"{detail}, {middle(alone):.0f} tokens/s",
            command="python -m tests.bench decode",
        ),
    ]


async def _alternate(endpoint: Endpoint, runs: int, tokens: int) -> tuple[list[sse.Reply], list[float]]:
    """Replies over HTTP, and tokens a second of a worker alone."""
    async with samovar.connect() as client:
        name = await load_model(client, CONTEXT)
    engine = await _worker()
    try:
        replies, alone = [], []
        # Once without counting: the first reply also computes the prompt and touches all memory.
        for _ in range(1 + runs):
            replies.append(await sse.ask(endpoint.http[0], name, MESSAGES, tokens))
            alone.append(await _ask(engine, tokens))
        return replies[1:], alone[1:]
    finally:
        await engine.close(SamovarError(FailureCode.CANCELLED, "The measurement is over."))


async def _worker() -> WorkerEngine:
    """A worker of this process's own, as the agent starts them."""
    log = WorkerLog(Places.find().logs, "bench")
    engine = WorkerEngine(WORKER_COMMAND, log)
    await engine.start()
    options = LoadOptions(path=str(model_file()), context_length=CONTEXT, threads=THREADS)
    await engine.load(options, on_progress=lambda _: None)
    return engine


async def _ask(engine: WorkerEngine, tokens: int) -> float:
    """Tokens a second of one reply, as the worker measured them."""
    sampling = Sampling(temperature=0, max_tokens=tokens, ignore_eos=True)
    async for output in engine.generate(Generation(messages=MESSAGES, sampling=sampling)):
        if isinstance(output, Finished):
            return output.stats.tokens_per_second
    raise ValueError("the worker ended without an answer")
