"""PROTOCOL.md is true: its examples decode, and its lists are those of the code."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import samovar_protocol
from samovar_protocol import HISTORY, PROTOCOL_VERSION, Endpoint, FailureCode
from samovar_protocol.events import AnyEvent
from samovar_protocol.requests import AnyRequest, StreamRequest, chunk_type, reply_type
from samovar_protocol.values import AnyDelta, Progress
from samovar_protocol.wire import (
    ChunkMessage,
    DoneMessage,
    decode_answer,
    decode_body,
    decode_event,
    decode_message,
    decode_request,
)

TEXT = (Path(samovar_protocol.__file__).parent / "PROTOCOL.md").read_text()
EXAMPLES = re.findall(r"<!-- (\w+) -->\n```json\n(.*?)```", TEXT, re.DOTALL)


def listed(name: str) -> set[str]:
    found = re.search(rf"All {name} types: (.*?)\.\n", TEXT, re.DOTALL)
    assert found
    return set(re.split(r",\s+", found[1]))


def tags(union: object) -> set[str]:
    return {str(member.__struct_config__.tag) for member in union.__args__}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_every_example_decodes(kind: str, example: str) -> None:
    data = example.encode()
    match kind:
        case "endpoint":
            assert msgspec.json.decode(data, type=Endpoint).protocol == PROTOCOL_VERSION
        case "request":
            decode_request(decode_message(data))
        case "answer":
            decode_answer(data)
        case "event":
            assert decode_event([b"", data]) is not None
        case _:
            pytest.fail(f"an example of an unknown kind: {kind}")


def test_every_chunk_and_reply_is_what_its_request_asks_for() -> None:
    requests: dict[str, StreamRequest[Any, Any]] = {}
    for kind, example in EXAMPLES:
        if kind == "request":
            message = decode_message(example.encode())
            requests[message.id] = decode_request(message)  # type: ignore[assignment]
        elif kind == "answer":
            answer = decode_answer(example.encode())
            if isinstance(answer, ChunkMessage):
                decode_body(answer.chunk, chunk_type(requests[answer.id]))
            elif isinstance(answer, DoneMessage):
                decode_body(answer.reply, reply_type(requests[answer.id]))


def test_there_is_an_example_of_every_kind_of_chunk() -> None:
    answers = [decode_answer(example.encode()) for kind, example in EXAMPLES if kind == "answer"]
    chunks = [msgspec.json.decode(answer.chunk) for answer in answers if isinstance(answer, ChunkMessage)]
    assert {chunk["type"] for chunk in chunks} == tags(AnyDelta | Progress)


def test_there_are_examples_of_every_kind() -> None:
    assert {kind for kind, _ in EXAMPLES} == {"endpoint", "request", "answer", "event"}


def test_the_lists_of_types_are_complete() -> None:
    assert listed("request") == tags(AnyRequest)
    assert listed("event") == tags(AnyEvent)


def test_prose_constant_and_history_name_the_same_version() -> None:
    major, minor = PROTOCOL_VERSION
    assert TEXT.startswith(f"# The control protocol, version {major}.{minor}\n")
    assert HISTORY[0][0] == PROTOCOL_VERSION
    rows = re.findall(r"^\| (\d+)\.(\d+) \| (\S+) \| (.*) \|$", TEXT, re.MULTILINE)
    assert [((int(a), int(b)), date, what) for a, b, date, what in rows] == [tuple(entry) for entry in HISTORY]


def test_every_failure_code_is_documented() -> None:
    assert re.findall(r"^\| `(\w+)` \| .+ \|$", TEXT, re.MULTILINE) == [code.value for code in FailureCode]
