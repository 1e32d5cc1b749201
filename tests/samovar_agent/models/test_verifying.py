import asyncio
import errno
import os
from pathlib import Path
from typing import IO, NoReturn

import pytest

from samovar_agent.models import verifying
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import LibraryChanged
from samovar_protocol.values import VerifiedModel
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf
from tests.samovar_agent.models.other_stores import hub, lmstudio, ollama, sha256


def ours(home: Home, relative: str, **facts: object) -> Path:
    return write_gguf(home.places.models / relative, llama(**facts))


def flip(path: Path, at: int = -1) -> None:
    """Change one byte and nothing else, times included: what a failing disk does."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


async def test_what_nobody_knew_is_recorded_and_then_compared(home: Home) -> None:
    path = ours(home, "Acme/Tiny/x.gguf")
    digest = sha256(path)
    assert await home.verify() == [VerifiedModel(key="Acme/Tiny", outcome="recorded", sha256=digest)]
    assert home.library.ls()[0].sha256 == digest
    assert home.published[-1] == LibraryChanged(models=1)
    assert await home.verify() == [VerifiedModel(key="Acme/Tiny", outcome="ok", sha256=digest, expected=digest)]
    assert (await home.restarted()).ls()[0].sha256 == digest


async def test_one_changed_byte(home: Home) -> None:
    path = ours(home, "Acme/Tiny/x.gguf")
    await home.verify()
    before = sha256(path)
    flip(path)
    (model,) = await home.verify("tiny")
    assert (model.outcome, model.sha256, model.expected) == ("changed", sha256(path), before)
    problem = model.problem or ""
    assert str(path) in problem and before in problem and sha256(path) in problem
    assert [model.outcome for model in await home.verify()] == ["changed"]  # it stays so


async def test_what_was_downloaded_is_compared_with_what_was_expected_then(home: Home) -> None:
    path = ours(home, "Acme/Tiny/x.gguf")
    await home.library.add(path, "Acme", "Tiny", sha256=sha256(path), source="{}")
    assert [model.outcome for model in await home.verify()] == ["ok"]
    flip(path)
    assert [model.outcome for model in await home.verify()] == ["changed"]
    assert await home.store.digests.ls() == {}


@pytest.mark.parametrize("write", [hub, ollama])
async def test_blobs_are_compared_with_their_names(home: Home, write: object) -> None:
    path = hub(home, "Org/Repo", "x.gguf") if write is hub else ollama(home, "qwen3", "4b")
    assert [model.outcome for model in await home.verify()] == ["ok"]
    flip(path)
    assert [model.outcome for model in await home.verify()] == ["changed"]


async def test_a_header_that_no_longer_reads_still_says_what_changed(home: Home) -> None:
    path = ours(home, "Acme/Tiny/x.gguf")
    await home.verify()
    flip(path, 0)
    await home.library.refresh()
    assert home.library.ls()[0].state == "broken"
    (model,) = await home.verify()
    assert (model.outcome, model.sha256) == ("changed", sha256(path))


async def test_a_file_of_another_size_is_another_file(home: Home) -> None:
    ours(home, "Acme/Tiny/x.gguf")
    await home.verify()
    path = ours(home, "Acme/Tiny/x.gguf", name="A newer one" * 20)
    await home.library.refresh()
    assert home.library.ls()[0].sha256 is None
    assert await home.verify() == [VerifiedModel(key="Acme/Tiny", outcome="recorded", sha256=sha256(path))]


class TestParts:
    def write(self, home: Home) -> list[Path]:
        paths = []
        for index in range(3):
            facts = {"split.count": 3, "split.no": index} | (llama() if index == 0 else {})
            path = home.places.models / f"Acme/Big/Big-Q8_0-0000{index + 1}-of-00003.gguf"
            paths.append(write_gguf(path, facts, [(f"blk.{index}.weight", (32, 8), F16)]))
        return paths

    async def test_each_is_compared(self, home: Home) -> None:
        paths = self.write(home)
        assert await home.verify() == [VerifiedModel(key="Acme/Big", outcome="recorded")]
        assert {row.sha256 for row in (await home.store.digests.ls()).values()} == set(map(sha256, paths))
        assert await home.verify() == [VerifiedModel(key="Acme/Big", outcome="ok")]
        flip(paths[1])
        (model,) = await home.verify()
        assert (model.outcome, model.sha256) == ("changed", sha256(paths[1]))
        assert str(paths[1]) in (model.problem or "")

    async def test_a_download_says_what_they_are(self, home: Home) -> None:
        paths = self.write(home)
        digests = list(map(sha256, paths))
        info = await home.library.add(paths[0], "Acme", "Big", sha256=None, source="{}", part_sha256=digests)
        assert (info.state, info.parts, info.sha256) == ("ready", 3, None)
        flip(paths[2])
        assert [model.outcome for model in await home.verify()] == ["changed"]

    async def test_nobody_said_what_they_are(self, home: Home) -> None:
        paths = self.write(home)
        assert (await home.library.add(paths[0], "Acme", "Big", sha256=None, source="{}")).state == "ready"

    async def test_rm_forgets_them(self, home: Home) -> None:
        self.write(home)
        await home.verify()
        await home.library.rm("big")
        assert await home.store.digests.ls() == {}


async def test_what_cannot_be_read_is_a_finding(home: Home, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "x.gguf")
    await home.import_(path, name="A/gone")
    path.unlink()
    write_gguf(home.places.models / "B/cut/x.gguf", cut=10)
    (home.places.models / "C/page").mkdir(parents=True)
    (home.places.models / "C/page/x.gguf").write_bytes(b"<html>")
    write_gguf(home.places.models / "D/coming/x.gguf.partial")
    ours(home, "E/good/x.gguf")
    outcomes = {model.key: model.outcome for model in await home.verify()}
    assert outcomes == {"A/gone": "missing", "B/cut": "broken", "C/page": "broken", "E/good": "recorded"}
    assert all(model.problem for model in await home.verify() if model.outcome not in ("ok", "recorded"))


async def test_a_disk_that_does_not_answer(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> IO[bytes]:
        raise OSError(errno.EIO, "Input/output error")

    ours(home, "Acme/Tiny/x.gguf")
    await home.library.refresh()
    monkeypatch.setattr(Path, "open", failing)
    (model,) = await home.verify()
    assert model.outcome == "broken" and "Input/output error" in (model.problem or "")


async def test_progress(home: Home) -> None:
    sizes = [ours(home, f"Acme/{name}/x.gguf", name=name).stat().st_size for name in "abc"]
    await home.verify()
    assert {told.stage for told in home.told} == {"verifying"}
    assert [told.done for told in home.told] == sorted(told.done for told in home.told)
    assert home.told[-1].done == home.told[-1].total == sum(sizes)


class TestStopping:
    def big(self, home: Home) -> Path:
        tensors = [("w", (2**16, 2**15), F16)]  # 4 GB of hole
        return write_gguf(home.places.models / "Acme/Big/big.gguf", tensors=tensors)

    async def test_cancelled(self, home: Home) -> None:
        self.big(home)
        begun = asyncio.Event()
        work = asyncio.create_task(home.library.verify(None, on_progress=lambda _: begun.set()))
        await asyncio.wait_for(begun.wait(), 20)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(work, 5)
        assert await home.store.digests.ls() == {}

    async def test_others_go_on_meanwhile(self, home: Home) -> None:
        self.big(home)
        tiny = ours(home, "Acme/Tiny/x.gguf")
        begun = asyncio.Event()
        work = asyncio.create_task(home.library.verify("big", on_progress=lambda _: begun.set()))
        await asyncio.wait_for(begun.wait(), 20)
        await home.library.rm("tiny")
        assert not tiny.exists() and not work.done()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def test_a_client_that_went_away(self, home: Home) -> None:
        def gone(_: object) -> NoReturn:
            raise ConnectionResetError

        self.big(home)
        with pytest.raises(ConnectionResetError):
            await home.library.verify(None, on_progress=gone)
        assert await home.store.digests.ls() == {}


async def test_an_unknown_name(home: Home) -> None:
    with pytest.raises(SamovarError) as caught:
        await home.verify("nothing")
    assert caught.value.code == FailureCode.MODEL_UNKNOWN


async def test_other_programs_files_are_only_read(home: Home) -> None:
    path = lmstudio(home, "Acme/Tiny/x.gguf")
    before = path.stat()
    await home.verify()
    after = path.stat()
    assert (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns)
    assert verifying._CHUNK_BYTES < 2**24  # memory stays small whatever the model's size
