import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.engine.interface import (
    Embedded,
    Embedding,
    Finished,
    Generation,
    Loaded,
    LoadOptions,
    Ranked,
    Ranking,
)
from samovar_agent.engine.wire import (
    MAX_MESSAGE_BYTES,
    Alive,
    Answer,
    Answered,
    Began,
    BrokenStreamError,
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
    answer_decoder,
    command_decoder,
    encode,
)
from samovar_protocol import Failure, FailureCode, SamovarError
from samovar_protocol.values import Message, Sampling, Stats, Text

FAILURE = Failure(code="internal", message="It broke.", details={"count": 1})
COMMANDS: list[Command] = [
    Load(LoadOptions(path="/m.gguf", context_length=10, threads=2)),
    Generate(1, Generation(messages=[Message(role="user", content="Grüß Gott")], sampling=Sampling(seed=3))),
    Embed(2, Embedding(inputs=["text", [1, 2]])),
    Rank(3, Ranking(query="why?", documents=["because"])),
    Cancel(1),
    Unload(),
]
ANSWERS: list[Answer] = [
    Hello(),
    Loading(0.5),
    Loaded(context_length=10, runtime="llama.cpp 1"),
    LoadFailed(FAILURE),
    Began(1),
    Reading(1, 0.5),
    Piece(1, Text(text="ß", tokens=2)),
    Done(1, Finished(finish_reasons=["stop"], stats=Stats(prompt_tokens=3))),
    Answered(2, Embedded(vectors=b"\0" * 8, dimensions=2, prompt_tokens=1, seconds=0.5)),
    Answered(3, Ranked(scores=[0.5], prompt_tokens=1, seconds=0.5)),
    Failed(1, FAILURE),
    Alive(),
]


def test_messages_survive_a_split_at_every_byte() -> None:
    data = b"".join(map(encode, ANSWERS))
    for cut in range(len(data) + 1):
        decoder = answer_decoder()
        assert [*decoder.feed(data[:cut]), *decoder.feed(data[cut:])] == ANSWERS


def test_commands_survive_byte_by_byte() -> None:
    decoder = command_decoder()
    data = b"".join(map(encode, COMMANDS))
    assert [one for byte in data for one in decoder.feed(bytes([byte]))] == COMMANDS


def test_an_oversized_length_is_refused_before_its_body_comes() -> None:
    with pytest.raises(BrokenStreamError, match="bytes"):
        list(answer_decoder().feed(struct.pack(">I", MAX_MESSAGE_BYTES + 1)))


def test_an_oversized_message_is_not_sent() -> None:
    with pytest.raises(SamovarError) as caught:
        encode(Piece(1, Text(text="x" * (MAX_MESSAGE_BYTES + 1))))
    assert caught.value.code == FailureCode.TOO_LARGE


@pytest.mark.parametrize("body", [b"", b"hello", b"\x80", b"\x81\xa4type\xa7unknown", encode(Unload())[4:]])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenStreamError):
        list(answer_decoder().feed(struct.pack(">I", len(body)) + body))


@given(st.lists(st.binary(max_size=40)))
def test_garbage_is_refused_or_awaited_but_never_crashes(parts: list[bytes]) -> None:
    decoder = answer_decoder()
    try:
        for part in parts:
            for answer in decoder.feed(part):
                assert isinstance(answer, Answer)
    except BrokenStreamError:
        pass


def test_messages_before_the_garbage_still_arrive() -> None:
    stream = answer_decoder().feed(encode(Hello()) + b"\xff" * 8)
    assert next(stream) == Hello()
    with pytest.raises(BrokenStreamError):
        next(stream)
