import asyncio
import errno
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from samovar_agent.models import gguf, headers, placing
from samovar_agent.models.scan import Scanner
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import LibraryChanged
from samovar_protocol.values import Progress
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf


def ours(home: Home, relative: str, **facts: object) -> Path:
    return write_gguf(home.places.models / relative, llama(**facts))


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def failure(home: Home, name: str) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        home.library.find(name)
    return caught.value


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


class TestNames:
    @pytest.fixture(autouse=True)
    async def models(self, home: Home) -> None:
        ours(home, "HuggingFaceTB/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf")
        ours(home, "HuggingFaceTB/SmolLM2-360M-Instruct/SmolLM2-360M-Instruct.Q4_1.gguf")
        ours(home, "Qwen/Qwen3-4B/Qwen3-4B-Q4_K_M.gguf")
        ours(home, "Qwen/Qwen3-4B/Qwen3-4B-Q8_0.gguf")
        ours(home, "Qwen/Qwen3-4B-Thinking/Qwen3-4B-Thinking-Q8_0.gguf")
        await home.library.refresh()

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
            ("huggingfacetb/smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
            ("HuggingFaceTB/SmolLM2-135M-Instruct@Q4_1", "HuggingFaceTB/SmolLM2-135M-Instruct"),
            ("smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
            ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct"),  # the catalog's alias
            ("smollm2-135m@q4_1", "HuggingFaceTB/SmolLM2-135M-Instruct"),
            ("135m", "HuggingFaceTB/SmolLM2-135M-Instruct"),
            (" 360M ", "HuggingFaceTB/SmolLM2-360M-Instruct"),
            ("Qwen/Qwen3-4B@Q8_0", "Qwen/Qwen3-4B@Q8_0"),
            ("qwen3-4b@q8_0", "Qwen/Qwen3-4B@Q8_0"),
            ("thinking", "Qwen/Qwen3-4B-Thinking"),
            ("Qwen/Qwen3-4B-Thinking", "Qwen/Qwen3-4B-Thinking"),
            ("Q4_K_M", "Qwen/Qwen3-4B@Q4_K_M"),
        ],
    )
    async def test_that_fit(self, home: Home, name: str, key: str) -> None:
        assert home.library.find(name).info.key == key

    @pytest.mark.parametrize(
        ("name", "keys"),
        [
            ("Qwen/Qwen3-4B", ["Qwen/Qwen3-4B@Q4_K_M", "Qwen/Qwen3-4B@Q8_0"]),
            ("qwen3-4b", ["Qwen/Qwen3-4B@Q4_K_M", "Qwen/Qwen3-4B@Q8_0"]),
            ("smollm2", ["HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-360M-Instruct"]),
        ],
    )
    async def test_that_fit_several(self, home: Home, name: str, keys: list[str]) -> None:
        error = failure(home, name)
        assert error.code == FailureCode.MODEL_AMBIGUOUS
        assert error.failure.details == {"models": keys}
        assert all(key in error.failure.message for key in keys)

    @pytest.mark.parametrize(
        "name", ["", "@", "/", "gpt-4o", "35m", "lm2", "smollm2-135m@q8_0", "qwen3-4b@", "../../etc/passwd", "(", "*"]
    )
    async def test_that_fit_none(self, home: Home, name: str) -> None:
        error = failure(home, name)
        assert error.code == FailureCode.MODEL_UNKNOWN
        assert error.hint

    async def test_near_names_are_suggested(self, home: Home) -> None:
        assert "Qwen/Qwen3-4B-Thinking" in failure(home, "qwen3-4b-thinkign").hint

    async def test_the_catalog_is_suggested(self, home: Home) -> None:
        await home.library.rm("135m")
        hint = failure(home, "smollm2-135m").hint
        assert hint.startswith("Run `samovar get SmolLM2-135M-Instruct`. Here are ")

    async def test_what_there_is_is_listed(self, home: Home) -> None:
        ready = [model.key for model in home.library.ls() if model.state == "ready"]
        error = failure(home, "nobody/knows")
        assert error.failure.details == {"models": ready}
        assert all(key in error.hint for key in ready)


class TestFind:
    async def test_gives_what_the_engine_needs(self, home: Home) -> None:
        path = ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        model = home.library.find("tiny")
        assert (model.info.path, model.header.context_length) == (str(path), 512)

    async def test_a_file_that_went_away(self, home: Home) -> None:
        path = ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        path.unlink()
        error = failure(home, "tiny")
        assert error.code == FailureCode.MODEL_FILE_MISSING
        assert str(path) in error.failure.message
        assert home.library.ls()[0].state == "missing"
        assert len(home.published) == 2

    async def test_a_file_that_was_cut(self, home: Home) -> None:
        path = ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        os.truncate(path, path.stat().st_size - 1)
        assert failure(home, "tiny").code == FailureCode.MODEL_FILE_BROKEN
        assert home.library.ls()[0].state == "partial"

    async def test_a_file_that_was_repaired(self, home: Home) -> None:
        path = ours(home, "Acme/Tiny/Tiny.F16.gguf")
        whole = path.read_bytes()
        path.write_bytes(b"")
        await home.library.refresh()
        assert failure(home, "tiny").code == FailureCode.MODEL_FILE_BROKEN
        path.write_bytes(whole)
        assert home.library.find("tiny").info.state == "ready"
        assert home.library.ls()[0].state == "ready"

    async def test_a_disk_that_answers_again(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: object) -> NoReturn:
            raise OSError(errno.EIO, "Input/output error")

        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", failing)
            await home.library.refresh()
            assert "Input/output" in failure(home, "tiny").failure.message
        assert home.library.find("tiny").info.state == "ready"

    async def test_a_file_that_was_replaced(self, home: Home) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        ours(home, "Acme/Tiny/Tiny.F16.gguf", context_length=1024, name="A longer name")
        assert home.library.find("tiny").header.context_length == 1024
        assert home.library.ls()[0].context_length == 1024


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


class Held:
    """A function that waits until it may go on. - most: how many were within at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        self.now = self.most = self.ended = 0
        self._real: Callable[..., object] = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *arguments, **options: self._held(*arguments, **options))

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, 20)

    def go(self) -> None:
        self._go.set()

    def _held(self, *arguments: object, **options: object) -> object:
        self.now += 1
        self.most = max(self.most, self.now)
        self._begun.set()
        self._go.wait(20)
        try:
            return self._real(*arguments, **options)
        finally:
            self.now -= 1
            self.ended += 1


class TestLooks:
    async def test_one_whose_client_left_is_not_lost(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        held = Held(monkeypatch, Scanner, "look")
        asking = asyncio.create_task(home.library.refresh())
        await held.begun()
        asking.cancel()
        await asyncio.sleep(0)
        held.go()
        await asyncio.gather(asking, return_exceptions=True)
        assert held.ended == 1
        await home.library.refresh()
        assert home.keys() == ["Acme/Tiny"]

    async def test_two_do_not_overlap(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        held = Held(monkeypatch, Scanner, "look")
        asking = asyncio.create_task(home.library.refresh())
        await held.begun()
        asking.cancel()
        again = asyncio.create_task(home.library.refresh())
        await asyncio.sleep(0.1)
        held.go()
        await asyncio.gather(asking, again, return_exceptions=True)
        assert held.most == 1


class TestHeaderCache:
    async def test_headers_are_not_read_again_after_a_restart(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        before = home.library.ls()

        def unexpected(path: Path) -> NoReturn:
            raise AssertionError(f"{path} was read")

        monkeypatch.setattr(gguf, "open_gguf", unexpected)
        library = await home.restarted()
        assert library.ls() == before
        assert library.find("tiny").header.context_length == 512

    @pytest.mark.parametrize(
        "data", [b"", b"{}", b"\xff\xfe", b'{"format": 1, "headers": {"a": [1, 2, {}]}}', b"[" * 5000]
    )
    async def test_a_damaged_cache_is_made_anew(self, home: Home, data: bytes) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        (home.places.data / "headers.json").write_bytes(data)
        assert [model.key for model in (await home.restarted()).ls()] == ["Acme/Tiny"]
        assert len((home.places.data / "headers.json").read_bytes()) > 500

    async def test_what_is_gone_is_forgotten(self, home: Home) -> None:
        ours(home, "Acme/Tiny/Tiny.F16.gguf")
        await home.library.refresh()
        await home.library.rm("tiny")
        assert b"Tiny" not in (home.places.data / "headers.json").read_bytes()


class Looks:
    """How often the disk was looked at. - folders: listed. - headers: read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders = self.headers = 0
        scandir, read = os.scandir, gguf.read_header

        def listed(path: str) -> Any:
            self.folders += 1
            return scandir(path)

        def opened(path: Path) -> gguf.GgufHeader:
            self.headers += 1
            return read(path)

        monkeypatch.setattr(os, "scandir", listed)
        monkeypatch.setattr(headers, "read_header", opened)

    def since(self) -> tuple[int, int]:
        """(folders, headers) since the last question."""
        seen, self.folders, self.headers = (self.folders, self.headers), 0, 0
        return seen


class TestTenThousand:
    """Nothing is looked at twice; how long that takes is `python -m tests.bench library`."""

    FOLDERS = 1 + 100 + 2500  # ours, publishers, names

    @pytest.fixture
    def tree(self, home: Home) -> None:
        data = ours(home, "Acme/Tiny/x.gguf").read_bytes()
        shutil.rmtree(home.places.models / "Acme")
        for number in range(10_000):
            folder = home.places.models / f"publisher{number // 100}" / f"model-{number // 4}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"model-{number}.gguf").write_bytes(data)
        for name, _, _ in os.walk(home.places.models):
            os.utime(name, (1_700_000_000, 1_700_000_000))  # what changed just now is not yet taken to be settled

    @pytest.mark.usefixtures("tree")
    async def test_what_did_not_change_is_not_looked_at_again(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = Looks(monkeypatch)
        await home.library.refresh()
        assert len(home.library.ls()) == 10_000
        folders, read = looks.since()
        assert (self.FOLDERS <= folders <= self.FOLDERS + 20, read) == (True, 10_000)
        await home.library.refresh()
        assert looks.since() == (0, 0)
        library = home.library
        task = asyncio.create_task(library.watch())
        try:
            stats = 0
            stat = os.stat

            def counted(*arguments: Any, **options: Any) -> os.stat_result:
                nonlocal stats
                stats += 1
                return stat(*arguments, **options)

            monkeypatch.setattr(os, "stat", counted)
            deadline = time.monotonic() + 60
            while True:  # once the watch has begun and told what happened before, its folders are believed
                looks.since()
                stats = 0
                await library.refresh(believing=True)
                if library._watch._watched and looks.since() == (0, 0) and stats < 100:
                    break
                assert time.monotonic() < deadline, f"looked at {stats} files and folders again"
                await asyncio.sleep(0.05)
            assert library.key_of("publisher7/model-199@model-797") == "publisher7/model-199@model-797"
            library.find("publisher9/model-249@model-999")
            assert looks.since() == (0, 0)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def test_a_restart_reads_no_header_again(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(10):
            ours(home, f"Acme/Model{number}/m.gguf")
        await home.library.refresh()
        looks = Looks(monkeypatch)
        await home.restarted()
        assert looks.since()[1] == 0


class TestBadNames:
    """Names on disk that come from elsewhere: listed or left out, never followed to another place."""

    @pytest.mark.parametrize(
        "name",
        [
            "a\\..\\..\\etc",
            "C:",
            "nul",
            "con.gguf",
            "x" * 200,
            "a\nb",
            "\u202egpj",
            "Qwеn3",
            "a@b",
            "*",
            "-rf",
            "~",
            "${HOME}",
        ],
    )
    async def test_of_folders(self, home: Home, name: str) -> None:
        path = ours(home, f"Acme/{name}/x.gguf")
        ours(home, "Acme/Qwen3/y.gguf", name="other")
        await home.library.refresh()
        states = {model.path: (model.key, model.state) for model in home.library.ls()}
        assert states[str(path)] == (f"Acme/{name}", "ready")
        assert home.library.find("qwen3").info.key == "Acme/Qwen3"  # a look-alike is another name
        assert (await home.library.rm(f"Acme/{name}")).freed_bytes > 0
        assert everything_below(home.places.models) == ["Acme", "Acme/Qwen3", "Acme/Qwen3/y.gguf"]

    async def test_a_link_out_of_our_folder_is_removed_alone(self, home: Home, tmp_path: Path) -> None:
        secret = write_gguf(tmp_path / "secret/x.gguf")
        home.places.models.mkdir(parents=True, exist_ok=True)
        (home.places.models / "Acme").symlink_to(tmp_path / "secret")
        await home.library.refresh()
        (info,) = home.library.ls()
        with pytest.raises(SamovarError, match="outside"):
            await home.library.rm(info.key)
        assert secret.exists()
