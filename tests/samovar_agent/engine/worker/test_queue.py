"""Whose turn it is."""

from __future__ import annotations

from samovar_agent.engine.worker.queue import FairQueue


def drain(queue: FairQueue[str]) -> list[str]:
    items: list[str] = []
    while (item := queue.take()) is not None:
        items.append(item)
    return items


def test_clients_take_turns_and_each_keeps_its_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "b2", "c1"):
        queue.put(item[0], item)
    assert drain(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_interactive_comes_before_background() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put("index", "page 1", background=True)
    queue.put("index", "page 2", background=True)
    queue.put("person", "question")
    assert drain(queue) == ["question", "page 1", "page 2"]


def test_a_client_that_has_enough_is_passed_over() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put("a", "a1")
    queue.put("b", "b1")
    assert queue.take(without={"a"}) == "b1"
    assert queue.take(without={"a"}) is None
    assert queue.take() == "a1"


def test_background_can_be_left_waiting() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put("a", "page", background=True)
    assert queue.take(background=False) is None
    assert queue.take() == "page"


def test_what_was_taken_too_early_is_next_again() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "b1"):
        queue.put(item[0], item)
    first = queue.take()
    assert first is not None
    queue.put_back("a", first)
    assert drain(queue) == ["a1", "b1", "a2"]


def test_requests_can_be_taken_out_of_the_middle() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "b1"):
        queue.put(item[0], item, background=item == "a2")
    assert queue.remove(lambda item: item == "a2") == ["a2"]
    assert queue.remove(lambda item: item == "a2") == []
    assert len(queue) == 2
    assert queue.clear() == ["a1", "b1"]
    assert len(queue) == 0
    assert queue.take() is None
