import json
import os
from pathlib import Path

import pytest

from samovar_agent.models.found import Found
from samovar_agent.models.other_programs import (
    FolderSource,
    HubCache,
    LlamaCppCache,
    Source,
    hub_digest,
    other_programs,
)
from samovar_agent.platforms.model_folders import ModelFolders
from tests.samovar_agent.models.gguf_files import write_gguf

OID = "0123456789abcdef" * 4
COMMIT = "a" * 40


def named(source: Source) -> list[tuple[str, str, str]]:
    return [(found.publisher, found.name, Path(found.path).name) for found in source.find()]


class Hub:
    """A cache as the hub's own library writes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = HubCache(str(root), "huggingface")

    def add(self, repository: str, file: str, *, commit: str = COMMIT, oid: str = OID, main: bool = True) -> Path:
        folder = self.root / f"models--{repository.replace('/', '--')}"
        blob = folder / "blobs" / oid
        if not blob.exists():
            write_gguf(blob)
        path = folder / "snapshots" / commit / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(blob, path.parent))
        (folder / "refs").mkdir(exist_ok=True)
        if main:
            (folder / "refs/main").write_text(commit)
        return path

    def find(self) -> list[Found]:
        return self.source.find()


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hub")


class TestHubCache:
    def test_a_file_is_named_by_its_repository_and_known_by_its_blob(self, hub: Hub) -> None:
        path = hub.add("Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf")
        hub.add("Qwen/Qwen3-4B-GGUF", "README.md", oid="b" * 40)
        (found,) = hub.find()
        assert (found.publisher, found.name, found.path) == ("Qwen", "Qwen3-4B-GGUF", str(path))
        assert (found.origin, found.sha256) == ("huggingface", OID)
        assert not hub.source.leaves

    def test_files_in_folders_and_names_with_dashes(self, hub: Hub) -> None:
        hub.add("un--usual/na-me", "Q8_0/x-00001-of-00002.gguf")
        hub.add("un--usual/na-me", "Q8_0/x-00002-of-00002.gguf", oid="c" * 64)
        assert named(hub.source) == [("un", "usual--na-me", "x-00001-of-00002.gguf")]

    def test_a_repository_without_an_owner(self, hub: Hub) -> None:
        hub.add("gpt2", "gpt2.gguf")
        assert named(hub.source) == [("huggingface", "gpt2", "gpt2.gguf")]

    def test_the_main_branch_comes_first(self, hub: Hub) -> None:
        hub.add("a/b", "x.gguf", commit="0" * 40, oid="d" * 64, main=False)
        hub.add("a/b", "x.gguf", commit="f" * 40)
        assert [found.sha256 for found in hub.find()] == [OID, "d" * 64]

    def test_other_things_in_the_cache(self, hub: Hub) -> None:
        for place in ("datasets--a--b/snapshots/1/x.gguf", "models--/snapshots/1/x.gguf", ".locks/x.gguf", "x.gguf"):
            write_gguf(hub.root / place)
        write_gguf(hub.root / "models--a--b/blobs/x.gguf")
        assert hub.find() == []

    def test_a_store_that_repositories_share(self, hub: Hub) -> None:
        """The blob is a link itself then, into a store with names of another kind."""
        path = hub.add("a/b", "x.gguf")
        blob = hub.root / "models--a--b/blobs" / OID
        shared = hub.root / "blobs/fe" / ("f" * 64)
        shared.parent.mkdir(parents=True)
        blob.rename(shared)
        blob.symlink_to(os.path.relpath(shared, blob.parent))
        assert path.resolve() == shared
        assert [found.sha256 for found in hub.find()] == [OID]

    def test_windows_without_links(self, hub: Hub) -> None:
        write_gguf(hub.root / f"models--a--b/snapshots/{COMMIT}/x.gguf")
        assert [found.sha256 for found in hub.find()] == [None]

    @pytest.mark.parametrize("target", ["../../../elsewhere/blobs", "/tmp", "../../blobs/.."])
    def test_a_link_elsewhere_vouches_for_nothing(self, hub: Hub, target: str) -> None:
        path = hub.add("a/b", "x.gguf")
        path.unlink()
        path.symlink_to(f"{target}/{'e' * 64}")
        assert hub_digest(path) is None

    def test_the_same_list_while_nothing_changed(self, hub: Hub) -> None:
        hub.add("a/b", "x.gguf")
        before = hub.find()
        assert hub.find() is before
        hub.add("a/b", "y.gguf", oid="c" * 64)
        assert len(hub.find()) == 2


class TestLlamaCppCache:
    def test_names_by_their_manifests(self, tmp_path: Path) -> None:
        for file in (
            "manifest=ggml-org=gemma-3-1b-it-GGUF=latest.json",
            "manifest=my_org=odd_name_v2=Q4_K_M.json",
            "manifest=my_org=odd_name=latest.json",
            "manifest===.json",
            "manifest=a=b.json",
        ):
            (tmp_path / file).write_text("{}")
        for file in (
            "ggml-org_gemma-3-1b-it-GGUF_gemma-3-1b-it-Q4_K_M.gguf",
            "my_org_odd_name_v2_folder_x-Q8_0.gguf",
            "my_org_odd_name_y.gguf",
        ):
            write_gguf(tmp_path / file)
        found = {found.file_name: (found.publisher, found.name) for found in LlamaCppCache(str(tmp_path)).find()}
        assert found == {
            "gemma-3-1b-it-Q4_K_M.gguf": ("ggml-org", "gemma-3-1b-it-GGUF"),
            "folder_x-Q8_0.gguf": ("my_org", "odd_name_v2"),
            "y.gguf": ("my_org", "odd_name"),
        }

    @pytest.mark.parametrize(
        ("file", "note", "publisher", "name"),
        [
            ("a_b_x.gguf", {"url": "https://huggingface.co/a/b/resolve/main/x.gguf"}, "a", "b"),
            ("Org_My_Model-GGUF_x-Q8_0.gguf", None, "Org", "My_Model-GGUF"),
            ("Org_My_Model-GGUF_x-Q8_0.gguf", {"url": "https://example.com/x.gguf"}, "Org", "My_Model-GGUF"),
            ("loose-Q8_0.gguf", None, "local", "loose"),
            ("loose-Q8_0.gguf", {"url": 5}, "local", "loose"),
            ("loose-Q8_0.gguf", {"url": "https://x/../../etc/resolve/"}, "local", "loose"),
        ],
    )
    def test_names_without_a_manifest(
        self, tmp_path: Path, file: str, note: dict[str, object] | None, publisher: str, name: str
    ) -> None:
        write_gguf(tmp_path / file)
        if note:
            (tmp_path / f"{file}.json").write_text(json.dumps(note))
        assert named(LlamaCppCache(str(tmp_path))) == [(publisher, name, file)]

    def test_what_is_still_coming_is_left_out(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "a_b_x.gguf.downloadInProgress")
        assert named(LlamaCppCache(str(tmp_path))) == []


class TestLmStudio:
    def sources(self, home: Path) -> list[Source]:
        return other_programs(ModelFolders(lmstudio=(home,)))

    def test_its_layout_is_ours(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "models/lmstudio-community/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf")
        (source,) = self.sources(tmp_path)
        assert named(source) == [("lmstudio-community", "Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf")]
        assert source.find()[0].origin == "lmstudio"

    def test_its_settings_name_another_folder(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "big/Acme/Tiny/x.gguf")
        (tmp_path / "settings.json").write_text(json.dumps({"downloadsFolder": str(tmp_path / "big"), "x": [1]}))
        assert [source.root for source in self.sources(tmp_path)] == [str(tmp_path / "big"), str(tmp_path / "models")]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "[" * 20_000,
            '{"downloadsFolder": 5}',
            '{"downloadsFolder": "relative"}',
            '{"downloadsFolder": "../../etc"}',
            '{"downloadsFolder": "/a\\u0000"}',
        ],
    )
    def test_settings_that_are_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "settings.json").write_text(text)
        assert [source.root for source in self.sources(tmp_path)] == [str(tmp_path / "models")]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_settings_that_never_end(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "settings.json")
        assert len(self.sources(tmp_path)) == 1


def test_a_folder_that_two_programs_use_comes_once(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "hub")
    sources = other_programs(ModelFolders(huggingface=(tmp_path / "hub",), llama_cpp=(tmp_path / "link",)))
    assert sorted(type(source).__name__ for source in sources) == ["HubCache", "LlamaCppCache"]


def test_nothing_anywhere(tmp_path: Path) -> None:
    folders = tuple(tmp_path / name for name in "ab")
    sources = other_programs(ModelFolders(folders, folders, folders, folders))
    assert sources and all(source.find() == [] for source in sources)
    assert list(tmp_path.iterdir()) == []


class TestFolderSource:
    def test_the_same_list_while_nothing_changed(self, tmp_path: Path) -> None:
        source = FolderSource(str(tmp_path), "folder")
        write_gguf(tmp_path / "a/b/c.gguf")
        before = source.find()
        assert source.find() is before
        write_gguf(tmp_path / "a/b/d.gguf")
        assert len(source.find()) == 2

    def test_links_that_lead_away_are_told(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "away/x.gguf")
        source = FolderSource(str(tmp_path / "root"), "folder")
        write_gguf(tmp_path / "root/a/b/real.gguf")
        (tmp_path / "root/a/b/inside.gguf").symlink_to("real.gguf")
        source.find()
        assert not source.leaves
        (tmp_path / "root/a/b/outside.gguf").symlink_to("../../../away/x.gguf")
        assert len(source.find()) == 3
        assert source.leaves

    def test_a_link_whose_target_comes_later(self, tmp_path: Path) -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "root/disk").symlink_to(tmp_path / "mounted")
        source = FolderSource(str(tmp_path / "root"), "folder")
        assert source.find() == []
        write_gguf(tmp_path / "mounted/x.gguf")
        assert [found.path for found in source.find()] == [str(tmp_path / "root/disk/x.gguf")]

    def test_hidden_files_are_none(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "a/b/._x.gguf")  # what macOS leaves on a stick
        write_gguf(tmp_path / ".trash/x.gguf")
        assert FolderSource(str(tmp_path), "folder").find() == []
