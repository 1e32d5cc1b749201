"""The worker's life: hear the limits, then read one file after the other."""

from __future__ import annotations

import os
import queue
import threading

import msgspec

from samovar_agent.documents.chunking_tokens import estimated_tokens
from samovar_agent.documents.cutting import stored_chunks
from samovar_agent.documents.extracted import Extracted, Problem
from samovar_agent.documents.extraction import wire
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.names import file_title
from samovar_agent.documents.extraction.wire import Begin, Command, Done, Read, Ready
from samovar_agent.documents.extraction.worker.memory import limit_memory
from samovar_agent.documents.extraction.worker.read import read_file


def serve(commands: int, answers: int) -> None:
    """Talk over the two descriptors until this process should read no more; the agent's end is ours too."""
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(commands, inbox), name="commands", daemon=True).start()
    limits = Limits()
    exhausted = False
    while not exhausted:
        match inbox.get():
            case Begin(limits=limits):
                limit_memory(limits.memory_bytes)
                _send(answers, Ready())
            case Read(path, target):
                done = _read(path, target, limits)
                exhausted = done.exhausted
                _send(answers, done)


def _read(path: bytes, target: int, limits: Limits) -> Done:
    try:
        extracted = read_file(path, limits)
        return _cut(extracted, target) if target else Done(extracted)
    except MemoryError:
        problem = Problem(
            reason="out_of_memory", message=f"Reading it takes more than {limits.memory_bytes >> 20:,} MB of memory."
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a Rust panic is none of Python's usual exceptions
        problem = Problem(
            reason="crashed",
            message=f"The program that reads documents failed at this file: {type(error).__name__}.",
            hint="The file may be damaged; open it with the program that made it, and save it anew.",
        )
    # Whatever this left behind goes with the process.
    failed = Extracted(title=file_title(path), media_type="application/octet-stream", text="", problem=problem)
    return Done(failed, exhausted=True)


def _cut(extracted: Extracted, target: int) -> Done:
    """With chunks instead of the text, as the agent stores it; it has others to serve while it would cut."""
    found = stored_chunks(extracted, estimated_tokens, target=target)
    return Done(msgspec.structs.replace(extracted, text=""), chunks=found)


def _take(descriptor: int, inbox: queue.SimpleQueue[Command]) -> None:
    try:
        with os.fdopen(descriptor, "rb") as pipe:
            while head := pipe.read(wire.LENGTH_BYTES):
                inbox.put(wire.commands.decode(pipe.read(int.from_bytes(head, "big"))))
    finally:
        os._exit(0)


def _send(descriptor: int, answer: wire.Answer) -> None:
    data = memoryview(wire.encode(answer))
    while data:
        data = data[os.write(descriptor, data) :]
