"""Asks Samovar with the official OpenAI client: `python demo_openai.py URL MODEL QUESTION`.

Prints the answer while it comes, then the time to its first token and the tokens per second, as measured here.
"""

from __future__ import annotations

import sys
import time

from openai import OpenAI


def ask(url: str, model: str, question: str) -> None:
    """Print the streamed answer and its speed; exits with a message where nothing came."""
    client = OpenAI(base_url=f"{url.rstrip('/')}/v1", api_key="not needed on this machine")
    started = time.perf_counter()
    first = last = 0.0
    tokens = 0
    with client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        max_tokens=120,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        for chunk in stream:
            if chunk.usage:
                tokens = chunk.usage.completion_tokens
            for choice in chunk.choices:
                if choice.delta.content:
                    last = time.perf_counter()
                    first = first or last
                    sys.stdout.write(choice.delta.content)
                    sys.stdout.flush()
    if not first:
        sys.exit("The answer was empty.")
    speed = f"{(tokens - 1) / (last - first):.1f} tokens/s" if last > first else "too short for a speed"
    sys.stdout.write(f"\n\n{tokens} tokens, first after {first - started:.2f} s, then {speed}\n")


if __name__ == "__main__":
    try:
        ask(*sys.argv[1:4])
    except KeyboardInterrupt:
        sys.exit(130)
