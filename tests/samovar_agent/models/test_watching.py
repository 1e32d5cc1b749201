import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from samovar_agent.models import watching
from samovar_agent.models.watching import FolderWatch
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import llama, write_gguf
from tests.samovar_agent.models.other_stores import lmstudio, ollama


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


@pytest.fixture
async def watched(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    home.library._watch = FolderWatch(tick=0.05, poll=0.1)
    home.places.models.mkdir(parents=True, exist_ok=True)
    await home.library.refresh()
    task = asyncio.create_task(home.library.watch())
    await until(lambda: bool(home.library._watch._watched or home.library._watch._impossible), "watching began")
    yield home
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await home.library.close()


@pytest.fixture(params=["told by the system", "looked at now and then"])
async def noticing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to notice changes."""
    monkeypatch.setattr(watching, "_SHARE_CHANGED", 1)  # a moment in which the machine is busy is not to matter
    if request.param != "told by the system":
        monkeypatch.setattr(watching, "is_network_folder", lambda *_: True)
        monkeypatch.setattr(watching, "_SHARE", 1)
    return str(request.param)


class TestNoticed:
    @pytest.fixture(autouse=True)
    def _both(self, noticing: str) -> None:
        self.way = noticing

    async def test_the_way_is_the_one_that_is_tested(self, watched: Home) -> None:
        assert bool(watched.library._watch._watched) == (self.way == "told by the system")

    async def test_a_model_that_comes_and_goes(self, watched: Home) -> None:
        path = write_gguf(watched.places.models / "Acme/Tiny/x.gguf")
        await until(lambda: watched.keys() == ["Acme/Tiny"], "it is listed")
        assert watched.published
        path.unlink()
        await until(lambda: watched.keys() == [], "it is gone")

    async def test_a_name_that_is_no_utf_8_costs_nothing_else(self, watched: Home) -> None:
        folder = watched.places.models / "Acme"
        folder.mkdir()
        try:
            with open(os.fsencode(folder) + b"/\xff\xfe.txt", "wb") as file:
                file.write(b"x")
        except OSError as error:
            pytest.skip(f"this file system takes no such names: {error}")
        await asyncio.sleep(0.3)
        write_gguf(folder / "Tiny/x.gguf")
        await until(lambda: watched.keys() == ["Acme/Tiny"], "it is listed")
        write_gguf(folder / "Other/y.gguf")
        await until(lambda: watched.keys() == ["Acme/Other", "Acme/Tiny"], "and another")

    async def test_a_copy_that_grows(self, watched: Home) -> None:
        whole = write_gguf(watched.places.models.parent / "x.gguf").read_bytes()
        path = watched.places.models / "Acme/Tiny/x.gguf"
        path.parent.mkdir(parents=True)
        with path.open("wb", buffering=0) as file:
            file.write(whole[:-1000])
            await until(lambda: [model.state for model in watched.library.ls()] == ["partial"], "half of it")
            assert "truncated" in (watched.library.ls()[0].problem or "")
            file.write(whole[-1000:])
        await until(lambda: [model.state for model in watched.library.ls()] == ["ready"], "all of it")

    async def test_a_model_that_is_renamed(self, watched: Home) -> None:
        write_gguf(watched.places.models / "Acme/Tiny/x.gguf")
        await until(lambda: watched.keys() == ["Acme/Tiny"], "it is listed")
        (watched.places.models / "Acme").rename(watched.places.models / "Other")
        await until(lambda: watched.keys() == ["Other/Tiny"], "it has the new name")

    async def test_folders_that_come_later(self, watched: Home) -> None:
        lmstudio(watched, "Acme/Tiny/x.gguf")
        await until(lambda: watched.keys() == ["Acme/Tiny"], "LM Studio was installed")
        ollama(watched, "qwen3", "4b", name="x")
        await until(lambda: len(watched.keys()) == 2, "so was Ollama")
        ollama(watched, "qwen3", "8b", name="y")
        await until(lambda: len(watched.keys()) == 3, "and it got another model")

    async def test_a_root_that_is_replaced(self, watched: Home) -> None:
        write_gguf(watched.places.models / "Acme/Tiny/x.gguf")
        await until(lambda: watched.keys() == ["Acme/Tiny"], "it is listed")
        watched.places.models.rename(watched.places.models.parent / "away")
        await until(lambda: watched.keys() == [], "the disk was taken out")
        write_gguf(watched.places.models / "Acme/Other/x.gguf")
        await until(lambda: watched.keys() == ["Acme/Other"], "another one is in")
        write_gguf(watched.places.models / "Acme/Third/x.gguf")
        await until(lambda: len(watched.keys()) == 2, "which is watched too")

    async def test_behind_a_link(self, watched: Home, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (watched.places.models / "disk").symlink_to(tmp_path / "disk")
        write_gguf(tmp_path / "disk/Acme/Tiny/x.gguf")
        await watched.library.refresh(believing=True)
        assert watched.keys() == ["Acme/Tiny"]
        write_gguf(tmp_path / "disk/Acme/Tiny/y.gguf")
        await watched.library.refresh(believing=True)
        assert len(watched.keys()) == 2


async def test_what_is_watched_is_not_looked_at_again(watched: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar_agent.models import scan

    write_gguf(watched.places.models / "Acme/Tiny/x.gguf")
    await watched.library.refresh(believing=True)
    assert watched.keys() == ["Acme/Tiny"]
    await watched.library.refresh(believing=True)
    asked: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(scan, "stamps", asked.append)
        await watched.library.refresh(believing=True)
    assert asked == []
    write_gguf(watched.places.models / "Acme/Other/x.gguf", llama(name="new"))
    await until(lambda: len(watched.keys()) == 2, "still it is noticed")


async def test_the_systems_limit_of_watches(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import watchfiles._rust_notify

    def limited(*_: object) -> object:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles._rust_notify, "RustNotify", limited)
    home.library._watch = FolderWatch(tick=0.05, poll=0.1)
    home.places.models.mkdir(parents=True)
    await home.library.refresh()
    task = asyncio.create_task(home.library.watch())
    write_gguf(home.places.models / "Acme/Tiny/x.gguf")
    await until(lambda: home.keys() == ["Acme/Tiny"], "it is noticed all the same")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_failure_does_not_end_it(tmp_path: Path) -> None:
    watch = FolderWatch(tick=0.01)
    calls: list[bool] = []

    async def refresh(thorough: bool) -> None:
        calls.append(thorough)
        raise SamovarError(FailureCode.DISK_FULL, "The disk is full.")

    watch.unchanged([str(tmp_path)])
    task = asyncio.create_task(watch.run(refresh))
    await until(lambda: len(calls) >= 2, "it goes on")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert watch.unchanged([str(tmp_path)]) == frozenset()


async def test_one_slow_look_does_not_make_the_next_one_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_SHARE", 1e9)  # without a change it would never look again
    watch = FolderWatch(tick=0.01)
    calls: list[bool] = []

    async def refresh(thorough: bool) -> None:
        watch.unchanged([str(tmp_path)])
        calls.append(thorough)
        await asyncio.sleep(0.05)

    watch.unchanged([str(tmp_path)])
    task = asyncio.create_task(watch.run(refresh))
    await until(lambda: len(calls) == 1, "it looked")
    write_gguf(tmp_path / "x.gguf")
    await until(lambda: len(calls) == 2, "it looks again")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_now_and_then_everything_is_listed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "THOROUGH_SECONDS", 0.05)
    watch = FolderWatch(tick=0.01)
    calls: list[bool] = []

    async def refresh(thorough: bool) -> None:
        calls.append(thorough)
        watch.unchanged([str(tmp_path)])

    task = asyncio.create_task(watch.run(refresh))
    await until(lambda: True in calls, "thoroughly")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
