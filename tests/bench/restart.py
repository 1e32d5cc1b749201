"""What is left of a long prompt after its model was unloaded, and after the agent itself was restarted.

The time to the first token of one and the same conversation: new; after unload and load; after `down`, `up` and load.
The model is in memory again each time, so that loading it is not counted.
"""

from __future__ import annotations

import asyncio
import time

import samovar
from samovar_protocol.requests import Unload
from samovar_protocol.values import Message
from tests.bench import sse
from tests.bench.home import stop, temporary_home
from tests.bench.model import load_model, random_words
from tests.bench.report import Result, middle, spread

TOKENS = 8
WORDS = 1000


def measure(*, quick: bool) -> list[Result]:
    """Ratios to the cold prompt."""
    cold, reloaded, restarted = [], [], []
    with temporary_home() as places:
        samovar.start_agent(tray=False)
        asyncio.run(_warm_up())
        for _ in range(2 if quick else 5):
            prompt = random_words(WORDS, seed=time.time_ns())
            cold.append(asyncio.run(_ask(prompt)))
            reloaded.append(asyncio.run(_ask(prompt, reload=True)))
            stop(places)
            samovar.start_agent(tray=False)
            restarted.append(asyncio.run(_ask(prompt)))
    return [
        Result(
            what=f"first token of a prompt of {WORDS:,} words after {when}, against cold",
            goal=0.1,
            measured=middle(seconds) / middle(cold),
            unit="×",
            detail=f"{spread(seconds, 's')}, cold {middle(cold):.3g} s",
            command="python -m tests.bench restart",
            bound="≤",
        )
        for when, seconds in (("unload and load", reloaded), ("a restart of the agent", restarted))
    ]


async def _warm_up() -> None:
    async with samovar.connect() as client:
        await sse.ask(client.endpoint.http[0], await load_model(client), _messages("Hello."), TOKENS)


async def _ask(prompt: str, *, reload: bool = False) -> float:
    """Seconds to the first token, with the model loaded before."""
    async with samovar.connect() as client:
        if reload:
            await client.call(Unload(all=True))
        key = await load_model(client)
        return (await sse.ask(client.endpoint.http[0], key, _messages(prompt), TOKENS)).first


def _messages(prompt: str) -> list[Message]:
    return [Message(role="system", content=prompt), Message(role="user", content="Summarise.")]
