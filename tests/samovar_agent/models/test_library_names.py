"""Finding models by their names, and names that lead elsewhere."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import write_gguf
from tests.samovar_agent.models.library_files import everything_below, failure, ours


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
