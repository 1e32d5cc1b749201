"""A folder of saved prefixes, and what lies in it."""

from collections.abc import Sequence
from pathlib import Path

from samovar_agent.engine.worker.snapshots import Binding, SnapshotStore

KEY = bytes(range(32))
BINDING = Binding(model="5a" * 32, runtime="llama.cpp 1", settings={"type_k": "f16", "flash_attention": "auto"})
OVERHEAD = 56 + 32 + 32


def store(
    folder: Path, key: bytes = KEY, binding: Binding = BINDING, budget: int = 1 << 20, trimmable: bool = True
) -> SnapshotStore:
    return SnapshotStore(folder / "snapshots", key, binding, budget, trimmable=trimmable)


def files(folder: Path) -> list[Path]:
    try:
        return sorted((folder / "snapshots").iterdir())
    except FileNotFoundError:
        return []


def restored(snapshots: SnapshotStore, tokens: Sequence[int]) -> bytes | None:
    entry = snapshots.longest(tokens)
    return snapshots.read(entry) if entry else None
