"""What one stream of a real model costs the agent, whose worker sends what it has decoded about 20 times a second."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import psutil

from tests.bench.report import Result, middle, spread
from tests.bench.servers import samovar_server

TOKENS = 200
_PROMPT = "Tell a long story about a fox who owns a samovar."


def one_stream(processor: Callable[[psutil.Process], float], rounds: int, command: str) -> Result:
    """The agent's processor time a token. - processor: seconds that a process took so far. - rounds: chats."""
    costs, rates = [], []
    with samovar_server(None) as server:
        _chat(server.url, server.model)  # to warm up
        for _ in range(rounds):
            before = processor(server.process)
            tokens, rate = _chat(server.url, server.model)
            costs.append(1e3 * (processor(server.process) - before) / tokens)
            rates.append(rate)
    return Result(
        what=f"a token's processor time, one stream of a real model, {middle(rates):.0f} tokens/s",
        goal=0.15,
        measured=middle(costs),
        unit="ms",
        detail=f"{spread(costs, 'ms')}; {spread(rates, 'tokens/s')}",
        command=command,
        bound="≤",
    )


def _chat(url: str, model: str) -> tuple[int, float]:
    """Tokens that came, and how many a second while they were decoded."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": _PROMPT}],
        "max_tokens": TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as reply:
        events = [json.loads(line[6:]) for line in reply if line.startswith(b"data: {")]
    tokens = int(events[-1]["usage"]["completion_tokens"])
    speed = next(event["samovar"]["tokens_per_second"] for event in events if "samovar" in event)
    return tokens, float(speed)
