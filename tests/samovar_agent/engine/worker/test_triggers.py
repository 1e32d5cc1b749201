"""Finding where a lazy grammar begins, whatever tokens a text comes in."""

import pytest

from samovar_agent.engine.worker.triggers import Triggers


def run(triggers: Triggers, *pieces: bytes) -> tuple[int, str, list[int]] | None:
    """Which piece completes a trigger, and what `feed` says of it; tokens are the numbers of their pieces."""
    for token, piece in enumerate(pieces):
        found = triggers.feed(token, piece)
        if found is not None:
            return token, *found
    return None


def each(text: str) -> list[bytes]:
    data = text.encode()
    return [data[index : index + 1] for index in range(len(data))]


def test_a_trigger_that_is_a_token() -> None:
    assert run(Triggers(["<call>"]), b"Hi", b" ", b"<call>", b"x") == (2, "", [])


def test_a_trigger_in_several_tokens_and_within_them() -> None:
    assert run(Triggers(["<call>"]), b"Hi", b"<ca", b"ll", b">") == (3, "", [1, 2])
    assert run(Triggers(["<call>"]), b"Hi", b"so <ca", b"ll>{") == (2, "so ", [1])
    assert run(Triggers(["<call>"]), b"Hi", b"so <call>{") == (1, "so ", [])


@pytest.mark.parametrize("text", ["Hello. <call>", "<<call>", "<cal<call>", "é€😀<call>"])
def test_a_trigger_byte_by_byte(text: str) -> None:
    pieces = each(text)
    length = len(pieces)
    assert run(Triggers(["<call>"]), *pieces) == (length - 1, "", list(range(length - 6, length - 1)))


def test_nothing_that_is_only_like_it() -> None:
    assert run(Triggers(["<call>"]), *each("<cal> <Call> call> <ca ll>" * 5)) is None


def test_the_first_of_several() -> None:
    assert run(Triggers(["[B]", "<call>"]), b"a<call>[B]") == (0, "a", [])
    assert run(Triggers(["[B]", "<call>"]), b"a[B]<call>") == (0, "a", [])


def test_a_trigger_behind_a_character_that_began_in_another_token() -> None:
    assert run(Triggers(["<call>"]), b"a", b"b\xc3", b"\xa4<call>") == (2, "bä", [1])
    assert run(Triggers(["｜begin｜"]), *each("x｜begin｜")) is not None


def test_bytes_that_are_no_text_are_no_reason_to_fail() -> None:
    assert run(Triggers(["<call>"]), *[b"\x80"] * 60, b"\x80<call>") is None


def test_tokens_without_text() -> None:
    assert run(Triggers(["<call>"]), b"<ca", b"", b"ll>") == (2, "", [0])


def test_a_start_trigger_only_at_the_start() -> None:
    assert run(Triggers([], ['{"name']), b"{", b'"name') == (1, "", [0])
    assert run(Triggers([], ['{"name']), b" \n", b"{", b'"na', b'me"') == (3, "", [1, 2])
    assert run(Triggers([], ['{"name']), b"a", b'{"name"') is None
    assert run(Triggers([], ['{"name']), b"{ ", b'{"name"') is None
    assert run(Triggers([], ['{"name']), b" " * 500, b'{"name"') is None


def test_nothing_is_a_trigger_while_the_model_thinks() -> None:
    think = ("<think>", "</think>")

    def triggers(*, reasoning_open: bool = False) -> Triggers:
        return Triggers(["<call>"], ['{"a'], reasoning=think, reasoning_open=reasoning_open)

    assert run(triggers(), *each('<think>{"a <call>')) is None
    assert run(triggers(reasoning_open=True), *each('{"a <call> so')) is None
    assert run(triggers(), b"<think>a<call>", b"</think>", b"<call>") == (2, "", [])
    assert run(triggers(reasoning_open=True), b"a<call></think>b<call>") == (0, "a<call></think>b", [])
    assert run(triggers(reasoning_open=True), b"a", b"</think>\n\n", b'{"a') == (2, "", [])
    assert run(triggers(), b"<think>", b"x", b"</think>", b"\n", b'{"', b'a":') == (5, "", [4])
    assert run(triggers(), b"<call><think>") == (0, "", [])


def test_a_trigger_counts_once() -> None:
    triggers = Triggers(["<call>"])
    assert run(triggers, b"<call>") is not None
    assert run(triggers, *each(" and so on")) is None
    assert run(triggers, b"<call>") is not None


def test_a_fork_does_not_hear_of_the_other() -> None:
    triggers = Triggers(["<call>"])
    assert run(triggers, b"<ca") is None
    fork = triggers.fork()
    assert run(fork, b"ll>") == (0, "", [0])
    assert run(triggers, b"x", b"ll>") is None
