"""The chat model that is measured with, and how it gets into an agent's memory."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import psutil

import samovar
from samovar_protocol.requests import ConfigSet, Import, Load

THREADS = psutil.cpu_count(logical=False) or 1

_WORDS = (
    *("river", "stone", "engine", "paper", "silver", "garden", "window", "market", "signal", "copper", "letter"),
    *("bridge", "candle", "forest", "harbor", "winter", "orange", "planet", "mirror", "basket", "thunder", "velvet"),
)


def model_file() -> Path:
    """The chat model that the tests use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samovar" / "test-models"
    file = Path(os.environ.get("SAMOVAR_TEST_MODEL") or cache / "SmolLM2-135M-Instruct.Q4_1.gguf")
    if not file.exists():
        sys.exit(f"{file} is missing; `sh tests/run.sh` fetches it.")
    return file


async def import_model(client: samovar.Client) -> str:
    """Put the model into the agent's library, where it lies; its key."""
    async with client.stream(Import(path=str(model_file()), mode="link")) as imported:
        async for _ in imported:
            pass
    return imported.reply.model.key


async def load_model(client: samovar.Client, context: int | None = None) -> str:
    """Put the model into the agent's library and memory; its key. - context: None for the product's default."""
    await client.call(ConfigSet(key="engine.threads", value=THREADS))
    key = await import_model(client)
    await client.call(Load(name=key, context=context))
    return key


def random_words(count: int, seed: int) -> str:
    """A text that no cache can have seen; a bit more than one token a word."""
    rng = random.Random(seed)
    return " ".join(rng.choice(_WORDS) for _ in range(count))
