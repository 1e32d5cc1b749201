"""Who is next: interactive before background, clients in turn, and each client's requests in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A client that sends fifty requests at once delays another one by one request, not by fifty."""

    def __init__(self) -> None:
        self._interactive: dict[str, deque[T]] = {}
        self._background: dict[str, deque[T]] = {}

    def __len__(self) -> int:
        return sum(len(waiting) for level in self._levels for waiting in level.values())

    def put(self, client: str, item: T, *, background: bool = False) -> None:
        """Wait, behind this client's other requests."""
        level = self._background if background else self._interactive
        level.setdefault(client, deque()).append(item)

    def put_back(self, client: str, item: T, *, background: bool = False) -> None:
        """Wait as the very next, after `take` was too early."""
        level = self._background if background else self._interactive
        waiting = level.pop(client, deque())
        waiting.appendleft(item)
        others = dict(level)
        level.clear()
        level.update({client: waiting, **others})

    def take(self, *, without: Collection[str] = (), background: bool = True) -> T | None:
        """The next request, or None. - without: clients that have enough for now. - background: may be one of those."""
        for level in self._levels if background else (self._interactive,):
            client = next((client for client in level if client not in without), None)
            if client is None:
                continue
            waiting = level.pop(client)
            item = waiting.popleft()
            if waiting:
                level[client] = waiting  # at the end: the others come first now
            return item
        return None

    def remove(self, wanted: Callable[[T], bool]) -> list[T]:
        """Forget some requests and return them."""
        removed: list[T] = []
        for level in self._levels:
            for client, waiting in list(level.items()):
                removed += [item for item in waiting if wanted(item)]
                level[client] = deque(item for item in waiting if not wanted(item))
                if not level[client]:
                    del level[client]
        return removed

    def clear(self) -> list[T]:
        """Forget all requests and return them."""
        return self.remove(lambda item: True)

    @property
    def _levels(self) -> tuple[dict[str, deque[T]], dict[str, deque[T]]]:
        return self._interactive, self._background
