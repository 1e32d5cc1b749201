"""Short ways to the protocol's values, for tests."""

from __future__ import annotations

from typing import Any

from samovar_protocol.events import AnyEvent
from samovar_protocol.replies import StatusReply
from samovar_protocol.values import HttpInfo, InstanceInfo, InstanceState, ModelInfo, NetworkInfo
from samovar_protocol.wire import EventMessage


def status(sequence: int = 0, *instances: InstanceInfo, **changes: Any) -> StatusReply:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "pid": 1,
        "started_at": 0.0,
        "home": "/",
        "memory_bytes": 1,
        "http": HttpInfo(urls=["http://127.0.0.1:7266", "http://[::1]:7266"]),
        "network": NetworkInfo(policy="online", connected=True),
        "models": 1,
    }
    return StatusReply(**{**values, **changes}, instances=list(instances), sequence=sequence)


def model(key: str = "smollm2/SmolLM2-135M-Instruct", **changes: Any) -> ModelInfo:
    publisher, _, name = key.rpartition("/")
    return ModelInfo(key=key, name=name, publisher=publisher, path="/x.gguf", size_bytes=1, **changes)


def instance(state: InstanceState, key: str = "smollm2/SmolLM2-135M-Instruct", **changes: Any) -> InstanceInfo:
    return InstanceInfo(**{"identifier": key, "model": key, "state": state, **changes})


def message(sequence: int, event: AnyEvent) -> EventMessage:
    return EventMessage(v=1, sequence=sequence, time=0.0, cause=None, event=event)
