from samovar_agent.engine.worker.queue import FairQueue


def drain(queue: FairQueue[str]) -> list[str]:
    found = []
    while (item := queue.take()) is not None:
        found.append(item)
    return found


def test_one_client_is_served_in_order() -> None:
    queue = FairQueue[str]()
    for number in range(3):
        queue.put("", number, f"a{number}")
    assert len(queue) == 3
    assert drain(queue) == ["a0", "a1", "a2"]
    assert len(queue) == 0


def test_clients_take_turns() -> None:
    queue = FairQueue[str]()
    for number in range(3):
        queue.put("busy", number, f"busy{number}")
    queue.put("other", 10, "other0")
    queue.put("third", 20, "third0")
    assert drain(queue) == ["busy0", "other0", "third0", "busy1", "busy2"]


def test_a_cancelled_request_is_forgotten() -> None:
    queue = FairQueue[str]()
    queue.put("a", 1, "a1")
    queue.put("b", 2, "b2")
    queue.put("b", 3, "b3")
    assert queue.remove(1)
    assert queue.remove(2)
    assert not queue.remove(99)
    assert drain(queue) == ["b3"]
