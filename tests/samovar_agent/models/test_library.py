"""What a library lists: files in its folders, and models in several files."""

import os
import shutil
from pathlib import Path

import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import LibraryChanged
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf
from tests.samovar_agent.models.library_files import everything_below, failure, ours


class TestListing:
    async def test_an_empty_home(self, home: Home) -> None:
        assert home.library.ls() == []
        assert home.published == []

    async def test_a_file_in_our_folder(self, home: Home) -> None:
        path = ours(home, "Acme/Tiny/Tiny.F16.gguf", file_type=1)
        await home.library.refresh()
        (info,) = home.library.ls()
        assert (info.key, info.publisher, info.name, info.path) == ("Acme/Tiny", "Acme", "Tiny", str(path))
        assert (info.state, info.problem, info.size_bytes) == ("ready", None, path.stat().st_size)
        assert (info.architecture, info.parameters, info.quantization) == ("llama", 4096, "F16")
        assert (info.context_length, info.capabilities, info.loaded) == (512, ["chat"], [])
        assert info.added_at == pytest.approx(path.stat().st_mtime)
        assert home.published == [LibraryChanged(models=1)]

    async def test_what_its_file_said_is_remembered(self, home: Home) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf", file_type=1)
        broken = home.places.models / "Acme" / "Broken" / "b.gguf"
        broken.parent.mkdir(parents=True)
        broken.write_bytes(b"no model")
        await home.library.refresh()
        header = home.library.header("Acme/Tiny")
        assert header is not None and (header.architecture, header.quantization) == ("llama", "F16")
        assert home.keys() == ["Acme/Broken", "Acme/Tiny"]
        assert home.library.header("Acme/Broken") is None and home.library.header("nobody/knows") is None

    async def test_nothing_is_published_where_nothing_changed(self, home: Home) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        await home.library.refresh()
        assert len(home.published) == 1

    async def test_several_files_in_a_folder_are_told_apart(self, home: Home) -> None:
        for file in ("Tiny.F16.gguf", "Tiny-Q4_K_M.gguf", "Tiny.UD-Q4_K_XL.gguf"):
            ours(home, f"Acme/Tiny/{file}")
        ours(home, "Acme/Other/other.gguf")
        await home.library.refresh()
        assert home.keys() == ["Acme/Other", "Acme/Tiny@F16", "Acme/Tiny@Q4_K_M", "Acme/Tiny@UD-Q4_K_XL"]

    async def test_two_files_of_one_quantization_are_told_apart_by_their_names(self, home: Home) -> None:
        ours(home, "Acme/Tiny/first-F16.gguf")
        ours(home, "Acme/Tiny/second-F16.gguf")
        await home.library.refresh()
        assert home.keys() == ["Acme/Tiny@first-F16", "Acme/Tiny@second-F16"]

    async def test_a_file_called_as_another_ones_quantization(self, home: Home) -> None:
        ours(home, "Acme/Tiny/q4_0.gguf", file_type=7)
        ours(home, "Acme/Tiny/x-Q8_0.gguf", name="2")
        ours(home, "Acme/Tiny/x-q4_0.gguf", name="3")
        await home.library.refresh()
        assert len(home.keys()) == 3

    async def test_files_that_are_not_in_the_layout(self, home: Home) -> None:
        ours(home, "loose-F16.gguf")
        ours(home, "Folder/inside-F16.gguf")
        ours(home, "very/deep/down/Acme/Tiny/x.gguf")
        await home.library.refresh()
        assert home.keys() == ["Acme/Tiny", "Folder/inside", "local/loose"]

    async def test_what_goes_with_a_model_is_not_one(self, home: Home) -> None:
        ours(home, "Acme/Tiny/mmproj-F16.gguf", architecture="clip")
        ours(home, "Acme/Tiny/lora.gguf", **{"general.type": "adapter"})
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        (home.places.models / "Acme/Tiny/README.md").write_text("no")
        await home.library.refresh()
        assert home.keys() == ["Acme/Tiny"]

    async def test_bad_files_are_listed_and_stop_nothing(self, home: Home) -> None:
        ours(home, "Acme/Good/good.gguf")
        write_gguf(home.places.models / "Acme/Cut/cut.gguf", cut=100)
        for name, data in {"Empty": b"", "Page": b"<html>sorry</html>"}.items():
            (home.places.models / "Acme" / name).mkdir()
            (home.places.models / "Acme" / name / "x.gguf").write_bytes(data)
        (home.places.models / "Acme/Folder/x.gguf").mkdir(parents=True)
        (home.places.models / "Acme/Dangling").mkdir()
        (home.places.models / "Acme/Dangling/x.gguf").symlink_to("/nowhere/at/all.gguf")
        (home.places.models / "loop").symlink_to(home.places.models)
        (home.places.models / "Acme/Self").mkdir()
        (home.places.models / "Acme/Self/x.gguf").symlink_to("x.gguf")
        os.mkfifo(home.places.models / "Acme/pipe.gguf")
        await home.library.refresh()
        states = {model.name: (model.state, model.problem) for model in home.library.ls()}
        assert states["Good"] == ("ready", None)
        assert {name: state for name, (state, _) in states.items()} == {
            "Good": "ready",
            "Cut": "partial",
            "Empty": "broken",
            "Page": "broken",
            "Dangling": "missing",
            "Self": "broken",
            "pipe": "broken",
        }
        assert all(problem for state, problem in states.values() if state != "ready")
        assert "truncated" in (states["Cut"][1] or "")

    async def test_names_that_are_not_utf8_can_be_sent(self, home: Home) -> None:
        folder = os.fsencode(home.places.models) + b"/Acme/B\xff"
        os.makedirs(folder)
        shutil.copy(ours(home, "Acme/Tiny/x.gguf"), os.fsdecode(folder + b"/\xfe.gguf"))
        await home.library.refresh()
        for model in home.library.ls():
            assert model.state == "ready"
            f"{model.key} {model.path}".encode()

    async def test_a_transfer_that_did_not_end(self, home: Home) -> None:
        path = home.places.models / "Acme/Tiny/Tiny.Q8_0.gguf.partial"
        write_gguf(path)
        await home.library.refresh()
        (info,) = home.library.ls()
        assert (info.key, info.state, info.quantization) == ("Acme/Tiny", "partial", "Q8_0")
        assert failure(home, "Acme/Tiny").code == FailureCode.MODEL_FILE_MISSING
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        assert home.library.find("tiny").info.key == "Acme/Tiny"  # the whole one; the other is no rival
        path.with_name(f"{path.name}.chunks").write_text("what came of it")
        await home.library.rm("Acme/Tiny@Q8_0")
        assert [file.name for file in path.parent.iterdir()] == ["Tiny.F16.gguf"]

    async def test_a_transfer_in_capitals_is_not_loaded(self, home: Home) -> None:
        write_gguf(home.places.models / "Acme/Tiny/x.gguf.PARTIAL")
        await home.library.refresh()
        assert [model.state for model in home.library.ls()] == ["partial"]
        assert failure(home, "tiny").code == FailureCode.MODEL_FILE_MISSING

    async def test_folders_of_the_settings(self, home: Home, tmp_path: Path) -> None:
        write_gguf(tmp_path / "lm/Acme/Tiny/Tiny.F16.gguf")
        write_gguf(tmp_path / "lm/Acme/Tiny/Tiny.Q8_0.gguf")
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        home.settings.set("models.folders", [str(tmp_path / "lm"), str(tmp_path / "not-there")])
        await home.library.refresh()
        paths = {model.key: model.path for model in home.library.ls()}
        assert list(paths) == ["Acme/Tiny@F16", "Acme/Tiny@Q8_0"]
        assert paths["Acme/Tiny@F16"].startswith(str(home.places.models))  # ours comes before the same elsewhere

    @pytest.mark.parametrize("folder", ["~nobody-of-that-name/x", "a\0b", "", "/dev/null", "/proc/self/mem"])
    async def test_folders_that_are_none_stop_nothing(
        self, home: Home, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        write_gguf(tmp_path / "here/x.gguf")
        monkeypatch.chdir(tmp_path / "here")
        home.settings.set("models.folders", [folder])
        assert [model.key for model in (await home.restarted()).ls()] == ["Acme/Tiny"]

    async def test_a_file_found_twice_counts_once(self, home: Home, tmp_path: Path) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        (tmp_path / "other").symlink_to(home.places.models)
        home.settings.set("models.folders", [str(tmp_path / "other"), str(home.places.models)])
        await home.library.refresh()
        assert home.keys() == ["Acme/Tiny"]


class TestSplitModels:
    def parts(self, home: Home, count: int = 3) -> list[Path]:
        paths = []
        for index in range(count):
            metadata: dict[str, object] = {"split.count": count, "split.no": index}
            if index == 0:
                metadata |= llama()
            path = home.places.models / f"Acme/Big/Big-Q8_0-{index + 1:05}-of-{count:05}.gguf"
            paths.append(write_gguf(path, metadata, [(f"blk.{index}.weight", (32, 8), F16)]))
        return paths

    async def test_count_as_one(self, home: Home) -> None:
        paths = self.parts(home)
        await home.library.refresh()
        (info,) = home.library.ls()
        assert (info.key, info.state, info.path) == ("Acme/Big", "ready", str(paths[0]))
        assert info.size_bytes == sum(path.stat().st_size for path in paths)
        header = home.library.find("big@q8_0").header
        assert (header.parameters, header.tensor_bytes, header.tensor_count) == (3 * 256, 3 * 512, 3)

    async def test_without_a_part_are_partial(self, home: Home) -> None:
        paths = self.parts(home)
        paths[1].unlink()
        await home.library.refresh()
        (info,) = home.library.ls()
        assert info.state == "partial"
        assert paths[1].name in (info.problem or "")
        assert failure(home, "big").code == FailureCode.MODEL_FILE_MISSING

    async def test_go_together(self, home: Home) -> None:
        total = sum(path.stat().st_size for path in self.parts(home))
        await home.library.refresh()
        assert (await home.library.rm("Acme/Big")).freed_bytes == total
        assert everything_below(home.places.models) == []

    async def test_are_copied_together(self, home: Home, tmp_path: Path) -> None:
        paths = self.parts(home)
        for path in paths:
            shutil.move(path, tmp_path / path.name)
        info = await home.import_(tmp_path / paths[0].name, "copy", "New/Big")
        assert info.state == "ready"
        assert len(everything_below(home.places.models / "New/Big")) == 3

    async def test_a_part_under_a_wrong_name_is_refused(self, home: Home, tmp_path: Path) -> None:
        path = self.parts(home)[0].rename(tmp_path / "renamed.gguf")
        with pytest.raises(SamovarError, match="3 parts"):
            await home.import_(path)
