"""Removing models from a library."""

import asyncio
from pathlib import Path

import pytest

from samovar_agent.models import placing
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import write_gguf
from tests.samovar_agent.models.library_files import Held, everything_below, ours


class TestRm:
    async def test_frees_the_room_and_removes_empty_folders(self, home: Home) -> None:
        first = ours(home, "Acme/Tiny/Tiny.F16.gguf")
        ours(home, "Acme/Other/other.gguf")
        await home.library.refresh()
        size = first.stat().st_size
        reply = await home.library.rm("tiny")
        assert (reply.key, reply.freed_bytes) == ("Acme/Tiny", size)
        assert everything_below(home.places.models) == ["Acme", "Acme/Other", "Acme/Other/other.gguf"]
        await home.library.rm("other")
        assert everything_below(home.places.models) == []
        assert home.places.models.exists()

    async def test_keeps_folders_that_hold_more(self, home: Home) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        (home.places.models / "Acme/Tiny/notes.txt").touch()
        await home.library.refresh()
        await home.library.rm("tiny")
        assert everything_below(home.places.models) == ["Acme", "Acme/Tiny", "Acme/Tiny/notes.txt"]

    async def test_of_what_is_broken_or_missing(self, home: Home) -> None:
        path = ours(home, "Acme/Tiny/Tiny.F16.gguf")
        path.write_bytes(b"oh")
        await home.library.refresh()
        assert (await home.library.rm("tiny")).freed_bytes == 2

    async def test_of_a_file_in_a_read_only_folder(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "lm/Acme/Tiny/Tiny.F16.gguf")
        home.settings.set("models.folders", [str(tmp_path / "lm")])
        await home.library.refresh()
        with pytest.raises(SamovarError) as caught:
            await home.library.rm("tiny")
        assert caught.value.code == FailureCode.BAD_REQUEST
        assert path.exists()

    async def test_of_a_linked_file_deletes_the_link_only(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "x.gguf")
        link = home.places.models / "Acme/Tiny/x.gguf"
        link.parent.mkdir(parents=True)
        link.symlink_to(path)
        await home.library.refresh()
        assert (await home.library.rm("tiny")).freed_bytes == 0
        assert path.exists() and not link.is_symlink()

    async def test_behind_a_linked_folder_deletes_nothing(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "lm/Acme/Tiny/x.gguf")
        home.places.models.mkdir(parents=True, exist_ok=True)
        (home.places.models / "lm").symlink_to(tmp_path / "lm")
        await home.library.refresh()
        assert home.keys() == ["Acme/Tiny"]
        with pytest.raises(SamovarError):
            await home.library.rm("tiny")
        assert path.exists()

    async def test_of_nothing(self, home: Home) -> None:
        with pytest.raises(SamovarError) as caught:
            await home.library.rm("tiny")
        assert caught.value.code == FailureCode.MODEL_UNKNOWN

    async def test_keeps_the_projector_of_one_that_still_comes(self, home: Home) -> None:
        projector = ours(home, "Acme/Tiny/mmproj-F16.gguf", architecture="clip")
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        (home.places.models / "Acme/Tiny/Tiny.Q8_0.gguf.partial").write_bytes(b"GGUF")
        await home.library.refresh()
        await home.library.rm("Acme/Tiny")
        assert projector.exists()

    async def test_whose_client_leaves_is_done(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_gguf(home.places.models / "Acme/Tiny/x.gguf")
        await home.library.add(path, "Acme", "Tiny", sha256="ab" * 32, source="{}")
        held = Held(monkeypatch, placing, "remove")
        work = asyncio.create_task(home.library.rm("tiny"))
        await held.begun()
        work.cancel()
        await asyncio.sleep(0.05)
        held.go()
        await asyncio.gather(work, return_exceptions=True)
        async with asyncio.timeout(20):
            while await home.store.models.ls():
                await asyncio.sleep(0.01)
        await home.library.refresh()
        assert not path.exists()
        assert home.library.ls() == []
