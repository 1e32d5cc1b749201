"""Model files in the folder of a library, what became of them, and a library whose work is held up."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from samovar_protocol import SamovarError
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import llama, write_gguf


def ours(home: Home, relative: str, **facts: object) -> Path:
    return write_gguf(home.places.models / relative, llama(**facts))


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def failure(home: Home, name: str) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        home.library.find(name)
    return caught.value


class Held:
    """A function that waits until it may go on. - most: how many were within at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        self.now = self.most = self.ended = 0
        self._real: Callable[..., object] = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *arguments, **options: self._held(*arguments, **options))

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, 20)

    def go(self) -> None:
        self._go.set()

    def _held(self, *arguments: object, **options: object) -> object:
        self.now += 1
        self.most = max(self.most, self.now)
        self._begun.set()
        self._go.wait(20)
        try:
            return self._real(*arguments, **options)
        finally:
            self.now -= 1
            self.ended += 1
