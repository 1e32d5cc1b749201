"""Who is next: clients in turn, and each client's requests in the order in which they came."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A client that sends fifty requests at once delays another one by one request, not by fifty."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[int, T]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, client: str, id_: int, item: T) -> None:
        """Wait, behind this client's other requests."""
        self._waiting.setdefault(client, deque()).append((id_, item))

    def take(self) -> T | None:
        """The next request, or None."""
        if not self._waiting:
            return None
        client = next(iter(self._waiting))
        waiting = self._waiting.pop(client)
        _, item = waiting.popleft()
        if waiting:
            self._waiting[client] = waiting  # at the end: the others come first now
        return item

    def remove(self, id_: int) -> bool:
        """Forget a request; False where it does not wait."""
        for client, waiting in self._waiting.items():
            for entry in waiting:
                if entry[0] == id_:
                    waiting.remove(entry)
                    if not waiting:
                        del self._waiting[client]
                    return True
        return False
