"""Taking files into a library: linked, copied, moved, refused."""

import asyncio
import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from samovar_agent.models import placing
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import LibraryChanged
from samovar_protocol.values import Progress
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf
from tests.samovar_agent.models.library_files import everything_below, ours


class TestLink:
    async def test_uses_the_file_where_it_lies(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "Fine-Model.Q8_0.gguf", llama() | {"general.organization": "Acme & Sons"})
        info = await home.import_(path)
        assert (info.key, info.path, info.quantization) == ("Acme-Sons/Fine-Model", str(path), "F16")
        assert everything_below(home.places.models) == []
        assert home.published == [LibraryChanged(models=1)]
        assert (await home.restarted()).find("fine-model").info == info

    async def test_under_a_name(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "x.gguf")
        assert (await home.import_(path, name="Mine/Best")).key == "Mine/Best"
        assert (await home.import_(path, name="better")).key == "local/better"  # asked again: renamed
        assert (await home.import_(path)).key == "local/better"
        assert home.keys() == ["local/better"]
        assert [row.name for row in await home.store.models.ls()] == ["better"]

    async def test_that_lost_its_file(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "x.gguf")
        await home.import_(path, name="Mine/Best")
        path.unlink()
        library = await home.restarted()
        (info,) = library.ls()
        assert (info.key, info.state) == ("Mine/Best", "missing")
        assert info.size_bytes > 0
        moved = write_gguf(tmp_path / "elsewhere/x.gguf")
        assert (await home.import_(moved, name="Mine/Best")).state == "ready"
        assert home.keys() == ["Mine/Best"]

    async def test_rm_leaves_the_file_alone(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "x.gguf")
        info = await home.import_(path)
        reply = await home.library.rm(info.key)
        assert (reply.key, reply.freed_bytes) == (info.key, 0)
        assert path.exists()
        assert home.keys() == [] and await home.store.models.ls() == []

    async def test_two_files_with_one_name_are_refused(self, home: Home, tmp_path: Path) -> None:
        await home.import_(write_gguf(tmp_path / "a/x.gguf"))
        second = write_gguf(tmp_path / "b/x.gguf")
        with pytest.raises(SamovarError, match="already"):
            await home.import_(second)
        assert (await home.import_(second, name="b/x")).key == "b/x"
        assert home.keys() == ["b/x", "local/x"]

    async def test_of_a_file_in_our_folder_changes_nothing(self, home: Home) -> None:
        path = ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        assert (await home.import_(path)).key == "Acme/Tiny"
        assert await home.store.models.ls() == []


class TestPlacing:
    async def test_a_copy(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "Tiny.F16.gguf")
        info = await home.import_(path, "copy", "Acme/Tiny")
        target = home.places.models / "Acme/Tiny/Tiny.F16.gguf"
        assert (info.key, info.path, target.read_bytes()) == ("Acme/Tiny", str(target), path.read_bytes())
        assert everything_below(home.places.models) == ["Acme", "Acme/Tiny", "Acme/Tiny/Tiny.F16.gguf"]
        assert home.told[-1].done == home.told[-1].total == info.size_bytes
        (row,) = await home.store.models.ls()
        assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (row.origin, row.size_bytes) == ("library", info.size_bytes)

    async def test_a_move(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "Tiny.F16.gguf")
        info = await home.import_(path, "move", "Acme/Tiny")
        assert Path(info.path).exists() and not path.exists()

    async def test_a_move_to_another_disk(self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_gguf(tmp_path / "Tiny.F16.gguf")
        data = path.read_bytes()
        monkeypatch.setattr(placing, "_same_disk", lambda *_: False)
        info = await home.import_(path, "move", "Acme/Tiny")
        assert Path(info.path).read_bytes() == data and not path.exists()
        assert {progress.stage for progress in home.told} >= {"verifying"}

    async def test_a_disk_that_returns_other_bytes_keeps_the_original(
        self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_gguf(tmp_path / "Tiny.F16.gguf")

        def corrupt(descriptor: int) -> None:
            os.pwrite(descriptor, b"\x01", 5000)

        monkeypatch.setattr(placing, "_same_disk", lambda *_: False)
        monkeypatch.setattr(os, "fsync", corrupt)
        with pytest.raises(SamovarError) as caught:
            await home.import_(path, "move")
        assert caught.value.code == FailureCode.DIGEST_MISMATCH
        assert path.exists()
        assert everything_below(home.places.models) == []

    async def test_a_hard_link(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "Tiny.F16.gguf")
        info = await home.import_(path, "hardlink", "Acme/Tiny")
        assert os.path.samefile(info.path, path)
        assert (await home.library.rm("tiny")).freed_bytes == 0
        assert path.exists()
        assert everything_below(home.places.models) == []

    async def test_a_hard_link_to_another_disk(
        self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def other_disk(*_: object) -> NoReturn:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", other_disk)
        with pytest.raises(SamovarError) as caught:
            await home.import_(write_gguf(tmp_path / "x.gguf"), "hardlink")
        assert "--copy" in caught.value.hint
        assert everything_below(home.places.models) == []

    async def test_what_is_there_is_not_overwritten(self, home: Home, tmp_path: Path) -> None:
        target = ours(home, "Acme/Tiny/x.gguf")
        before = target.read_bytes()
        other = write_gguf(tmp_path / "x.gguf", llama(context_length=99))
        with pytest.raises(SamovarError) as caught:
            await home.import_(other, "copy", "Acme/Tiny")  # dropped there since the last look
        assert caught.value.code == FailureCode.BAD_REQUEST
        assert target.read_bytes() == before

    async def test_a_link_becomes_a_copy(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "x.gguf")
        await home.import_(path, "link", "Acme/Tiny")
        info = await home.import_(path, "copy", "Acme/Tiny")
        assert info.path.startswith(str(home.places.models))
        assert home.keys() == ["Acme/Tiny"]
        assert path.exists()

    async def test_too_little_room(self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
        with pytest.raises(SamovarError) as caught:
            await home.import_(write_gguf(tmp_path / "x.gguf"), "copy")
        assert caught.value.code == FailureCode.DISK_FULL
        assert caught.value.failure.details["free_bytes"] == 1
        assert everything_below(home.places.models) == []

    async def test_a_disk_that_fills_up(self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> NoReturn:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(SamovarError) as caught:
            await home.import_(write_gguf(tmp_path / "x.gguf"), "copy")
        assert caught.value.code == FailureCode.DISK_FULL
        assert everything_below(home.places.models) == []
        assert home.keys() == []

    async def test_cancelled(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "big.gguf", tensors=[("w", (2**16, 2**14), F16)])  # 2 GB of hole
        begun = asyncio.Event()
        work = asyncio.create_task(
            home.library.import_(str(path), mode="copy", name=None, on_progress=lambda _: begun.set())
        )
        await asyncio.wait_for(begun.wait(), 20)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert everything_below(home.places.models) == []
        assert path.exists()

    async def test_others_go_on_meanwhile(self, home: Home, tmp_path: Path) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        path = write_gguf(tmp_path / "big.gguf", tensors=[("w", (2**16, 2**14), F16)])
        begun = asyncio.Event()
        work = asyncio.create_task(
            home.library.import_(str(path), mode="copy", name=None, on_progress=lambda _: begun.set())
        )
        await asyncio.wait_for(begun.wait(), 20)
        await home.library.rm("tiny")
        assert not work.done()
        assert [(model.key, model.state) for model in home.library.ls()] == [("local/big", "partial")]
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def test_a_client_that_went_away(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "big.gguf", tensors=[("w", (2**16, 2**14), F16)])

        def gone(_: Progress) -> NoReturn:
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await home.library.import_(str(path), mode="copy", name=None, on_progress=gone)
        assert everything_below(home.places.models) == []

    async def test_beside_a_download_leaves_what_came(self, home: Home, tmp_path: Path) -> None:
        folder = home.places.models / "Acme/Tiny"
        folder.mkdir(parents=True)
        (folder / "Tiny.F16.gguf.partial").write_bytes(b"what came so far")
        (folder / "Tiny.F16.gguf.partial.chunks").write_bytes(b"{}\n")
        with pytest.raises(SamovarError, match="being downloaded") as caught:
            await home.import_(write_gguf(tmp_path / "Tiny.F16.gguf"), "copy", "Acme/Tiny")
        assert caught.value.code == FailureCode.BAD_REQUEST
        assert (folder / "Tiny.F16.gguf.partial").read_bytes() == b"what came so far"

    async def test_whose_client_leaves_after_it(
        self, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, reached = write_gguf(tmp_path / "x.gguf"), asyncio.Event()

        async def put(_: object) -> None:
            reached.set()
            await asyncio.sleep(3600)

        monkeypatch.setattr(home.store.models, "put", put)
        work = asyncio.create_task(home.import_(path, "move", "a/b"))
        await reached.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        monkeypatch.undo()
        await home.library.refresh()
        assert path.exists() == (home.keys() == [])  # in one place


class TestImportRefuses:
    @pytest.mark.parametrize("mode", ["link", "copy"])
    @pytest.mark.parametrize("within", [True, False])
    async def test_a_transfer_that_did_not_end(self, home: Home, tmp_path: Path, mode: str, within: bool) -> None:
        path = write_gguf((home.places.models / "Acme/Tiny" if within else tmp_path) / "x.gguf.partial")
        await home.library.refresh()
        with pytest.raises(SamovarError) as caught:
            await home.import_(path, mode)
        assert caught.value.code == FailureCode.MODEL_FILE_BROKEN

    @pytest.mark.parametrize("mode", ["link", "copy", "move", "hardlink"])
    async def test_what_is_no_model(self, home: Home, tmp_path: Path, mode: str) -> None:
        path = tmp_path / "x.gguf"
        path.write_bytes(b"GGUF" + bytes(100))
        with pytest.raises(SamovarError):
            await home.import_(path, mode)
        assert path.exists() and home.keys() == []

    async def test_a_projector(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "mmproj.gguf", llama() | {"general.type": "mmproj"})
        with pytest.raises(SamovarError) as caught:
            await home.import_(path)
        assert caught.value.code == FailureCode.MODEL_UNSUPPORTED

    async def test_a_missing_file(self, home: Home, tmp_path: Path) -> None:
        with pytest.raises(SamovarError) as caught:
            await home.import_(tmp_path / "x.gguf")
        assert caught.value.code == FailureCode.MODEL_FILE_MISSING

    async def test_a_relative_path(self, home: Home) -> None:
        with pytest.raises(SamovarError) as caught:
            await home.import_(Path("x.gguf"))
        assert caught.value.code == FailureCode.BAD_REQUEST

    @pytest.mark.parametrize("mode", ["link", "copy"])
    @pytest.mark.parametrize(
        "name", ["../x", "a/..", "a/b/c", "/x", "a/", "a\\b/c", "C:/x", "a/b@Q4", "a/nul", "a/b\0", "a/b\n", "a/b."]
    )
    async def test_names_that_are_no_names(self, home: Home, tmp_path: Path, mode: str, name: str) -> None:
        path = write_gguf(tmp_path / "x.gguf")
        with pytest.raises(SamovarError) as caught:
            await home.import_(path, mode, name)
        assert caught.value.code in (FailureCode.BAD_REQUEST, FailureCode.PATH_REFUSED)
        assert everything_below(home.places.models) == [] and home.keys() == []

    @pytest.mark.parametrize("organization", ["../../etc", "..", "C:\\x", "a/b", "\0", "", "nul", "." * 300, "ü" * 300])
    async def test_a_header_cannot_choose_a_folder(self, home: Home, tmp_path: Path, organization: str) -> None:
        path = write_gguf(tmp_path / "x.gguf", llama() | {"general.organization": organization})
        try:
            info = await home.import_(path, "copy")
        except SamovarError as error:
            assert error.code == FailureCode.PATH_REFUSED
        else:
            assert Path(info.path).resolve().is_relative_to(home.places.models.resolve())
            assert len(Path(info.path).relative_to(home.places.models).parts) == 3
