"""A worker that misbehaves on demand: at load as its first argument says, later as the last message says."""

from __future__ import annotations

import os
import signal
import sys
import time

from samovar_agent.engine.interface import Embedded, Finished, Loaded, Ranked, Tokenization, Tokenized
from samovar_agent.engine.wire import (
    Alive,
    Answer,
    Answered,
    Ask,
    Began,
    Cancel,
    Command,
    Done,
    Embed,
    Failed,
    Generate,
    Hello,
    Load,
    LoadFailed,
    Loading,
    Piece,
    Rank,
    Reading,
    Unload,
    command_decoder,
    encode,
)
from samovar_protocol import Failure, FailureCode
from samovar_protocol.values import Stats, Text


def main(mode: str) -> None:
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(Hello())
    decoder = command_decoder()
    while data := os.read(0, 65536):
        for command in decoder.feed(data):
            obey(command, mode)


def obey(command: Command, mode: str) -> None:
    match command:
        case Load():
            load(mode)
        case Generate(id_, generation):
            reply(id_, generation.messages[-1].content)
        case Embed(id_, embedding):
            count = len(embedding.inputs)
            vectors = b"\0" * 8 * count
            say(Answered(id_, Embedded(vectors=vectors, dimensions=2, prompt_tokens=count, seconds=0.1)))
        case Rank(id_, ranking):
            scores = [float(len(document)) for document in ranking.documents]
            say(Answered(id_, Ranked(scores=scores, prompt_tokens=len(scores), seconds=0.1)))
        case Ask(id_, Tokenization() as tokenization):
            say(Answered(id_, Tokenized(counts=list(map(len, tokenization.texts)))))
        case Cancel(id_):
            log(f"cancel {id_}")
        case Unload():
            if mode != "deaf":
                sys.exit(0)


def load(mode: str) -> None:
    match mode:
        case "dies at load":
            log("GGML_ASSERT(everything is fine) failed")
            os._exit(3)
        case "refuses":
            say(LoadFailed(Failure(code=FailureCode.MODEL_UNSUPPORTED, message="No such architecture.")))
            return
        case "loads for ever":
            say(Loading(0.5))
            return
        case "refuses and stays":
            say(LoadFailed(Failure(code=FailureCode.MODEL_UNSUPPORTED, message="No such architecture.")))
            time.sleep(60)
        case "loads in many steps":
            for step in range(200):
                say(Loading(step / 200))
                time.sleep(0.002)
    for progress in (0.0, 0.5, 1.0):
        say(Loading(progress))
        time.sleep(0.01)
    say(Loaded(context_length=100, runtime="fake"))


def reply(id_: int, text: str) -> None:
    if text == "wait":
        return
    if text == "refuse":
        say(Failed(id_, Failure(code=FailureCode.BAD_REQUEST, message="Not like this.")))
        return
    say(Began(id_))
    match text:
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "compute":
            while True:
                pass
        case "think":
            for _ in range(20):
                time.sleep(0.1)
                say(Alive())
            say(Done(id_, Finished(finish_reasons=["stop"], stats=Stats(completion_tokens=1))))
        case "crash":
            say(Piece(id_, Text(text="half a re", tokens=3)))
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGKILL)
        case "assert":
            log("a reason")
            os._exit(1)
        case "garbage":
            os.write(1, b"llama_printed_something_here")
        case "close pipe":
            os.close(1)
            time.sleep(60)
        case "a book":
            say(Reading(id_, 0.25))
            say(Reading(id_, 0.5))
            say(Done(id_, Finished(finish_reasons=["stop"], stats=Stats())))
        case "for ever":
            say(Piece(id_, Text(text="and ")))
        case _:
            for word in text.split():
                say(Piece(id_, Text(text=f"{word} ")))
            say(Done(id_, Finished(finish_reasons=["stop"], stats=Stats(completion_tokens=len(text.split())))))


def say(answer: Answer) -> None:
    os.write(1, encode(answer))


def log(line: str) -> None:
    os.write(2, f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
