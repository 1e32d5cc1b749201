"""What every runtime can do, and the values that go in and out.

`process.WorkerEngine` is one: llama.cpp in a process of its own. A runtime that starts an upstream server, or forwards
to another machine, implements the same `Engine`; `instance.Instance` then needs no change.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Literal, Protocol

import msgspec

from samovar_protocol import SamovarError
from samovar_protocol.values import Message, Sampling, Stats, Text


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to load a model. - path: the GGUF file. - context_length: tokens. - threads: of computation."""

    path: str
    context_length: int
    threads: int


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag="loaded"):
    """The model is ready. - runtime: what runs it, with its version."""

    context_length: int
    runtime: str


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A reply to compute. - client: whose request it is; a queue takes clients in turn."""

    messages: list[Message]
    sampling: Sampling
    client: str = ""


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The request left the queue."""


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """The reply is complete. - stats: as the runtime measured them; loading is not its business."""

    finish_reason: Literal["stop", "length"]
    stats: Stats


Output = Started | Text | Finished
"""What a generation yields: `Started` once, `Text` as it comes, `Finished` last."""


class Engine(Protocol):
    """A runtime with one model. Every failure is a `SamovarError`."""

    @property
    def pid(self) -> int | None:
        """The process that holds the model, where there is one on this machine."""

    async def start(self) -> None:
        """Bring the runtime itself up; raises `load_failed`."""

    async def load(self, options: LoadOptions, on_progress: Callable[[float], None]) -> Loaded:
        """Load the model, reporting 0 to 1; raises `load_failed` or `model_unsupported`."""

    def generate(self, generation: Generation) -> AsyncGenerator[Output, None]:
        """Compute a reply. Closing the generator stops the work within one decode step."""

    async def ended(self) -> SamovarError:
        """Wait for the runtime's end; says what happened."""

    async def close(self, reason: SamovarError) -> None:
        """End all work with `reason`, free everything and leave nothing running; bounded in time, whatever hangs."""
