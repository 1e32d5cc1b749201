import os
import time

from samovar_agent.engine.interface import Finished
from samovar_agent.engine.wire import Answer, Done, Piece, answer_decoder
from samovar_agent.engine.worker.pipes import Outbox
from samovar_protocol.values import Stats, Text


def test_a_full_pipe_never_blocks_who_computes_and_loses_nothing() -> None:
    reader, writer = os.pipe()
    outbox = Outbox(writer)
    began = time.monotonic()
    for number in range(200_000):  # far more than a pipe holds, with nobody reading
        outbox.send(Piece(1, Text(text=f"{number % 10}")))
    outbox.send(Done(1, Finished(finish_reasons=["stop"], stats=Stats())))
    assert time.monotonic() - began < 20

    decoder, answers = answer_decoder(), list[Answer]()
    while not answers or not isinstance(answers[-1], Done):
        answers.extend(decoder.feed(os.read(reader, 65536)))
    outbox.close()
    pieces = [answer.delta for answer in answers if isinstance(answer, Piece) and isinstance(answer.delta, Text)]
    assert sum(piece.tokens for piece in pieces) == 200_000
    assert "".join(piece.text for piece in pieces) == "0123456789" * 20_000
    assert len(pieces) < 100_000, "pieces did not grow together"
    os.close(reader)
    os.close(writer)
