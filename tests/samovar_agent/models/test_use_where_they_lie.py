"""Models of other programs: used where they lie, and never touched."""

import os
from pathlib import Path

import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ModelInfo
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import llama, write_gguf
from tests.samovar_agent.models.other_stores import hub, llama_cpp, lmstudio, ollama, projector_facts, sha256


def everything(folder: Path) -> list[tuple[str, int, int, int]]:
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return found


async def listed(home: Home) -> dict[str, ModelInfo]:
    await home.library.refresh()
    return {info.key: info for info in home.library.ls()}


async def test_models_of_four_programs(home: Home, tmp_path: Path) -> None:
    first = lmstudio(home, "Acme/Tiny/Tiny-F16.gguf", name="1")
    second = ollama(home, "qwen3", "4b", name="2")
    third = hub(home, "Org/Repo-GGUF", "Repo-F16.gguf", name="3")
    fourth = llama_cpp(home, "Other", "Thing-GGUF", "Thing-F16.gguf", name="4")
    before = [everything(tmp_path / name) for name in ("lmstudio", "ollama", "hub", "llama.cpp")]
    models = await listed(home)
    assert {key: (info.origin, info.path, info.sha256) for key, info in models.items()} == {
        "Acme/Tiny": ("lmstudio", str(first), None),
        "ollama/qwen3:4b": ("ollama", str(second), sha256(second)),
        "Org/Repo-GGUF": ("huggingface", str(third), sha256(third)),
        "Other/Thing-GGUF": ("llama.cpp", str(fourth), None),
    }
    assert all(info.state == "ready" and info.quantization == "F16" for info in models.values())
    # Zero bytes copied, and nothing of theirs touched.
    assert [everything(tmp_path / name) for name in ("lmstudio", "ollama", "hub", "llama.cpp")] == before
    assert not home.places.models.exists() or everything(home.places.models) == []
    assert (await home.restarted()).ls() == list(models.values())


@pytest.mark.parametrize("name", ["qwen3:4b", "ollama/qwen3:4b", "QWEN3:4B", "qwen3", "4b", "qwen3:4b@f16"])
async def test_a_model_of_ollama_by_its_names(home: Home, name: str) -> None:
    ollama(home, "qwen3", "4b")
    ollama(home, "llama3.2", "latest", name="another")
    await home.library.refresh()
    assert home.library.find(name).info.key == "ollama/qwen3:4b"
    assert home.library.find("llama3.2").info.key == "ollama/llama3.2:latest"


async def test_one_file_found_through_several_programs_is_one_model(home: Home, tmp_path: Path) -> None:
    blob = ollama(home, "qwen3", "4b")
    ollama(home, "qwen3", "latest")  # the same blob
    linked = home.others.lmstudio[0] / "models/ollama/qwen3/qwen3-4b.gguf"
    linked.parent.mkdir(parents=True)
    linked.symlink_to(blob)
    hard = home.others.llama_cpp[0] / "qwen3.gguf"
    hard.parent.mkdir(parents=True)
    hard.hardlink_to(blob)
    (tmp_path / "extra").symlink_to(home.others.llama_cpp[0])
    home.settings.set("models.folders", [str(tmp_path / "extra")])
    (info,) = (await listed(home)).values()
    assert info.origin == "folder"  # what the settings name goes before what was discovered
    assert info.sha256 == sha256(blob)  # which Ollama knows
    for name in ("qwen3:4b", "qwen3:latest", "ollama/qwen3", "ollama/qwen3:4b", info.key):
        assert home.library.find(name).info == info


async def test_the_switch(home: Home) -> None:
    ollama(home, "qwen3", "4b")
    lmstudio(home, "Acme/Tiny/Tiny-F16.gguf", name="x")
    assert len(await listed(home)) == 2
    home.settings.set("models.discover", False)
    assert await listed(home) == {}
    home.settings.set("models.discover", None)
    assert len(await listed(home)) == 2


async def test_what_came_later_and_what_went(home: Home) -> None:
    assert await listed(home) == {}
    path = lmstudio(home, "Acme/Tiny/Tiny-F16.gguf")
    blob = ollama(home, "qwen3", "4b", name="x")
    assert len(await listed(home)) == 2
    path.unlink()
    blob.unlink()
    assert {key: info.state for key, info in (await listed(home)).items()} == {"ollama/qwen3:4b": "missing"}


async def test_its_settings_may_change(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "big/Acme/Tiny/x.gguf")
    assert await listed(home) == {}
    home.others.lmstudio[0].mkdir()
    (home.others.lmstudio[0] / "settings.json").write_text(f'{{"downloadsFolder": "{tmp_path / "big"}"}}')
    assert list(await listed(home)) == ["Acme/Tiny"]


async def test_a_file_is_read_where_the_link_leads(home: Home) -> None:
    path = hub(home, "Org/Repo-GGUF", "Repo-F16.gguf")
    await home.library.refresh()
    assert home.library.find("repo-gguf").header.context_length == 512
    os.truncate(path, path.stat().st_size - 1)
    assert (await listed(home))["Org/Repo-GGUF"].state == "partial"
    path.resolve().unlink()
    assert (await listed(home))["Org/Repo-GGUF"].state == "missing"


async def test_a_model_in_parts_in_the_hubs_cache(home: Home) -> None:
    for index in range(2):
        facts = {"split.count": 2, "split.no": index}
        hub(home, "Org/Big-GGUF", f"Q8_0/Big-Q8_0-0000{index + 1}-of-00002.gguf", **facts)
    (info,) = (await listed(home)).values()
    assert (info.key, info.state, info.parts, info.sha256) == ("Org/Big-GGUF", "ready", 2, None)
    assert [model.outcome for model in await home.verify()] == ["ok"]
    assert await home.store.digests.ls() == {}  # the blobs' names say it


class TestRm:
    @pytest.mark.parametrize(
        ("write", "name", "hint"),
        [
            (lambda home: lmstudio(home, "Acme/Tiny/x.gguf"), "tiny", "My Models"),
            (lambda home: ollama(home, "qwen3", "4b"), "qwen3", "ollama rm qwen3:4b"),
            (lambda home: hub(home, "Org/Repo", "x.gguf"), "repo", "hf cache rm model/Org/Repo"),
            (lambda home: llama_cpp(home, "a", "b", "x.gguf"), "b", "Delete the file yourself"),
        ],
    )
    async def test_refuses_what_is_not_ours(self, home: Home, write, name: str, hint: str) -> None:  # type: ignore[no-untyped-def]
        path = write(home)
        await home.library.refresh()
        with pytest.raises(SamovarError) as caught:
            await home.library.rm(name)
        assert caught.value.code == FailureCode.BAD_REQUEST
        assert hint in caught.value.hint and "models.discover" in caught.value.hint
        assert path.exists() and len(home.library.ls()) == 1

    async def test_of_a_link_to_it_forgets_the_link(self, home: Home) -> None:
        path = lmstudio(home, "Acme/Tiny/x.gguf")
        await home.import_(path, "link", "Mine/Best")
        assert home.keys() == ["Mine/Best"]
        assert (await home.library.rm("best")).freed_bytes == 0
        assert home.keys() == ["Acme/Tiny"] and path.exists()


class TestImport:
    async def test_a_copy_of_a_blob_gets_a_name(self, home: Home) -> None:
        blob = ollama(home, "qwen3", "4b")
        await home.library.refresh()
        info = await home.import_(blob, "copy")
        assert (info.key, info.origin, info.state) == ("ollama/qwen3-4b", "library", "ready")
        assert info.path.endswith(".gguf") and info.sha256 == sha256(blob)
        assert info.key in (await listed(home))
        assert blob.exists()

    async def test_a_link_to_what_is_found_anyway_changes_nothing(self, home: Home) -> None:
        path = lmstudio(home, "Acme/Tiny/x.gguf")
        assert (await home.import_(path)).key == "Acme/Tiny"
        assert await home.store.models.ls() == []


class TestProjectors:
    async def test_beside_a_model_lets_it_see(self, home: Home) -> None:
        lmstudio(home, "Acme/Tiny/Tiny-F16.gguf")
        projector = write_gguf(home.others.lmstudio[0] / "models/Acme/Tiny/mmproj-Tiny-F16.gguf", projector_facts())
        (info,) = (await listed(home)).values()
        assert (info.key, info.projector, info.capabilities) == ("Acme/Tiny", str(projector), ["chat", "vision"])
        assert home.library.find("tiny").info == info
        projector.unlink()
        (info,) = (await listed(home)).values()
        assert (info.projector, info.capabilities) == (None, ["chat"])

    async def test_of_ollama(self, home: Home) -> None:
        ollama(home, "llava", "7b", projector=True)
        (info,) = (await listed(home)).values()
        assert info.projector and "vision" in info.capabilities

    async def test_at_the_top_of_a_repository(self, home: Home) -> None:
        hub(home, "Org/Repo", "Q8_0/x-Q8_0.gguf")
        path = hub(home, "Org/Repo", "mmproj-F16.gguf", **projector_facts())
        (info,) = (await listed(home)).values()
        assert info.projector == str(path)

    async def test_of_its_own_repository_in_a_flat_cache(self, home: Home) -> None:
        llama_cpp(home, "Org", "One-GGUF", "one-Q8_0.gguf", name="1")
        llama_cpp(home, "Org", "Two-GGUF", "two-Q8_0.gguf", name="2")
        llama_cpp(home, "Org", "One-GGUF", "mmproj-x-F16.gguf", **projector_facts())
        models = await listed(home)
        assert {key: bool(info.projector) for key, info in models.items()} == {
            "Org/One-GGUF": True,
            "Org/Two-GGUF": False,
        }

    async def test_of_a_linked_model(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "here/x.gguf")
        projector = write_gguf(tmp_path / "here/mmproj-x.gguf", projector_facts())
        assert (await home.import_(path)).projector == str(projector)

    async def test_several_precisions_and_models(self, home: Home) -> None:
        folder = home.places.models / "loose"
        for name in ("gemma-3-4b-it-Q4_0.gguf", "gemma-3-4b-it-Q8_0.gguf", "llava-7b-Q4_0.gguf", "plain-Q4_0.gguf"):
            write_gguf(folder / name, llama(name=name))
        for name in ("mmproj-gemma-3-4b-it-f32.gguf", "mmproj-gemma-3-4b-it-f16.gguf", "llava-7b-mmproj-bf16.gguf"):
            write_gguf(folder / name, projector_facts(name=name))
        models = (await listed(home)).values()
        assert {Path(info.path).name: Path(info.projector).name if info.projector else None for info in models} == {
            "gemma-3-4b-it-Q4_0.gguf": "mmproj-gemma-3-4b-it-f16.gguf",
            "gemma-3-4b-it-Q8_0.gguf": "mmproj-gemma-3-4b-it-f16.gguf",
            "llava-7b-Q4_0.gguf": "llava-7b-mmproj-bf16.gguf",
            "plain-Q4_0.gguf": None,
        }

    async def test_for_sound_lets_hear(self, home: Home) -> None:
        facts = projector_facts() | {"clip.has_vision_encoder": False, "clip.has_audio_encoder": True}
        lmstudio(home, "Acme/Tiny/Tiny-F16.gguf")
        write_gguf(home.others.lmstudio[0] / "models/Acme/Tiny/mmproj.gguf", facts)
        (info,) = (await listed(home)).values()
        assert info.capabilities == ["chat", "audio"]

    async def test_that_is_broken_is_no_model(self, home: Home) -> None:
        lmstudio(home, "Acme/Tiny/Tiny-F16.gguf")
        (home.others.lmstudio[0] / "models/Acme/Tiny/mmproj-Tiny.gguf").write_bytes(b"oh")
        (info,) = (await listed(home)).values()
        assert (info.key, info.projector) == ("Acme/Tiny", None)

    async def test_goes_with_the_last_model_of_its_folder(self, home: Home) -> None:
        folder = home.places.models / "Acme/Tiny"
        for tag in ("Q8_0", "F16"):
            write_gguf(folder / f"Tiny-{tag}.gguf", llama(name=tag))
        projector = write_gguf(folder / "mmproj-F16.gguf", projector_facts())
        size = projector.stat().st_size
        await home.library.refresh()
        await home.library.rm("tiny@q8_0")
        assert projector.exists()
        last = (folder / "Tiny-F16.gguf").stat().st_size
        assert (await home.library.rm("tiny")).freed_bytes == last + size
        assert not folder.exists()


class TestMissing:
    async def test_says_where_a_file_like_it_lies(self, home: Home, tmp_path: Path) -> None:
        path = write_gguf(tmp_path / "downloads/Fine-F16.gguf")
        await home.import_(path, name="Mine/Fine")
        moved = home.others.lmstudio[0] / "models/Acme/Fine/Fine-F16.gguf"
        moved.parent.mkdir(parents=True)
        path.rename(moved)
        models = await listed(home)
        assert models["Mine/Fine"].state == "missing"
        assert str(moved) in (models["Mine/Fine"].problem or "")
        assert models["Acme/Fine"].state == "ready"

    async def test_of_ours_can_be_forgotten(self, home: Home) -> None:
        path = write_gguf(home.places.models / "Acme/Tiny/x.gguf")
        await home.library.add(path, "Acme", "Tiny", sha256=sha256(path), source="{}")
        path.unlink()
        assert (await listed(home))["Acme/Tiny"].state == "missing"
        assert (await home.library.rm("tiny")).freed_bytes == 0
        assert await listed(home) == {}
