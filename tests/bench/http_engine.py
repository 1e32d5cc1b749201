"""An engine worker without a model: every reply is numbers, one token a piece, all replies at the same pace.

`python -m tests.bench.http_engine SECONDS`: so long is a step, in which every open reply gets its next token.
"""

from __future__ import annotations

import os
import select
import sys
import time
from dataclasses import dataclass

from samovar_agent.engine.interface import Finished, Loaded
from samovar_agent.engine.wire import (
    Answer,
    Began,
    Cancel,
    Command,
    Done,
    Generate,
    Hello,
    Load,
    Piece,
    Unload,
    command_decoder,
    encode,
)
from samovar_protocol.values import Stats, Text


@dataclass
class _Reply:
    tokens: int
    said: int = 0


def main(step: float) -> None:
    """Obey until told to unload, or until the agent is gone."""
    decoder = command_decoder()
    replies: dict[int, _Reply] = {}
    _say([Hello()])
    next_step = time.monotonic()
    while True:
        wait = max(0.0, next_step - time.monotonic()) if replies else None
        readable, _, _ = select.select([0], [], [], wait)
        if readable:
            if not (data := os.read(0, 1 << 16)):
                return
            for command in decoder.feed(data):
                if isinstance(command, Unload):
                    return
                _obey(command, replies)
        if replies and time.monotonic() >= next_step:
            next_step = max(next_step + step, time.monotonic())
            _say(_next_tokens(replies))


def _obey(command: Command, replies: dict[int, _Reply]) -> None:
    match command:
        case Load():
            _say([Loaded(context_length=8192, runtime="numbers")])
        case Generate(id_, generation):
            replies[id_] = _Reply(generation.sampling.max_tokens or 16)
            _say([Began(id_)])
        case Cancel(id_):
            replies.pop(id_, None)


def _next_tokens(replies: dict[int, _Reply]) -> list[Answer]:
    answers: list[Answer] = []
    for id_, reply in tuple(replies.items()):
        answers.append(Piece(id_, Text(text=f"{reply.said} ", tokens=1)))
        reply.said += 1
        if reply.said == reply.tokens:
            del replies[id_]
            stats = Stats(prompt_tokens=1, completion_tokens=reply.tokens, decode_seconds=1.0)
            answers.append(Done(id_, Finished(finish_reasons=["length"], stats=stats)))
    return answers


def _say(answers: list[Answer]) -> None:
    data = b"".join(map(encode, answers))
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main(float(sys.argv[1]))
