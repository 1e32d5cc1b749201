import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samovar_agent.documents import folders
from samovar_agent.documents.folders import Look, compare, folders_of, is_left_out, look, with_digest
from samovar_agent.documents.folders_excludes import Excludes
from samovar_agent.documents.folders_plan import Known
from samovar_protocol import FailureCode, SamovarError

YEAR_AGO = time.time() - 365 * 24 * 3600


def write(path: Path, text: str = "text", *, at: float = YEAR_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (at, at))
    return path


def seen(root: Path, *patterns: str, **options: object) -> Look:
    return look(str(root), Excludes(patterns), **options)  # type: ignore[arg-type]


def names(found: Look, root: Path) -> list[str]:
    return [os.path.relpath(file.path, root).replace(os.sep, "/") for file in found.files]


def knows(root: Path, *patterns: str) -> list[Known]:
    return [Known(*with_digest(file.path)) for file in seen(root, *patterns).files]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


class TestWhatBelongs:
    def test_files_at_every_depth_sorted(self, root: Path) -> None:
        for name in ("b.md", "a/z.md", "a/deep/er/x.md"):
            write(root / name)
        found = seen(root)
        assert names(found, root) == ["a/deep/er/x.md", "a/z.md", "b.md"]
        assert found.files[2].size == 4
        assert found.files[2].mtime == pytest.approx(YEAR_AGO)
        assert found.folders == [str(root / name) for name in ("", "a", "a/deep", "a/deep/er")]
        assert found.tops == {str(root)}

    def test_excluded_folders_are_not_entered(self, root: Path) -> None:
        for name in ("a.md", ".git/config", "drafts/b.md", "node_modules/x/readme.md"):
            write(root / name)
        found = seen(root, "drafts/")
        assert names(found, root) == ["a.md"]
        assert found.folders == [str(root)]

    def test_what_programs_can_make_again(self, root: Path) -> None:
        write(root / "target/CACHEDIR.TAG")
        write(root / "target/doc/readme.md")
        write(root / "env/pyvenv.cfg")
        write(root / "env/lib/readme.md")
        assert names(seen(root), root) == []
        assert names(seen(root, only=[str(root / "env/lib")]), root) == []

    def test_a_cache_that_is_asked_for_itself(self, root: Path) -> None:
        write(root / "CACHEDIR.TAG")
        write(root / "a.md")
        assert "a.md" in names(seen(root), root)

    def test_kinds_that_nobody_reads_are_counted(self, root: Path) -> None:
        for name in ("a.md", "b.jpg", "deep/c.jpg", ".d.jpg"):
            write(root / name)
        found = seen(root, readable=lambda name: name.endswith(".md"))
        assert names(found, root) == ["a.md"]
        assert found.others == 2

    @pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
    def test_names_with_newlines(self, root: Path) -> None:
        write(root / "two\nlines/a\n.md")
        write(root / "two\nlines/private/b.md")
        assert names(seen(root, "private/"), root) == ["two\nlines/a\n.md"]

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
    def test_names_that_are_not_text_are_said_and_left(self, root: Path) -> None:
        write(root / "a.md")
        for name in (b"caf\xe9.md", b"caf\xe9/b.md"):
            write(Path(os.fsdecode(os.fsencode(root) + b"/" + name)))
        found = seen(root)
        assert names(found, root) == ["a.md"]
        assert list(found.problems) == [
            f"{root}/caf\N{REPLACEMENT CHARACTER}",
            f"{root}/caf\N{REPLACEMENT CHARACTER}.md",
        ]
        assert "UTF-8" in found.problems[f"{root}/caf\N{REPLACEMENT CHARACTER}.md"].message

    @pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names there")
    def test_what_is_no_file(self, root: Path) -> None:
        os.mkfifo(root / "pipe.md")
        assert names(seen(root), root) == []
        with pytest.raises(OSError, match="regular"):
            with_digest(str(root / "pipe.md"))

    def test_very_deep(self, root: Path) -> None:
        folder = root
        while len(str(folder)) < 3000:
            folder /= "d" * 100
        folder.mkdir(parents=True)
        write(folder / "a.md")
        assert len(seen(root).files) == 1

    def test_a_whole_disk_is_refused(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "MAX_FILES", 3)
        for number in range(4):
            write(root / f"{number}.md")
        with pytest.raises(SamovarError) as caught:
            seen(root)
        assert caught.value.code == FailureCode.TOO_LARGE
        monkeypatch.undo()
        monkeypatch.setattr(folders, "MAX_FOLDERS", 2)
        write(root / "a/b/c/x.md")
        with pytest.raises(SamovarError, match="2 folders"):
            seen(root)


class TestLinks:
    def test_links_are_left_and_counted(self, root: Path, tmp_path: Path) -> None:
        write(root / "a.md")
        write(tmp_path / "secret/key.md")
        (root / "folder").symlink_to(tmp_path / "secret")
        (root / "file.md").symlink_to(tmp_path / "secret/key.md")
        (root / "dangling.md").symlink_to("nowhere")
        found = seen(root)
        assert names(found, root) == ["a.md"]
        assert found.links == 3
        assert names(seen(root, only=[str(root / "folder/key.md"), str(root / "file.md")]), root) == []

    def test_loops(self, root: Path) -> None:
        write(root / "a/b/x.md")
        (root / "a/b/up").symlink_to(root)
        (root / "self").symlink_to(root / "self")
        assert names(seen(root), root) == ["a/b/x.md"]

    def test_the_source_itself_may_be_one(self, root: Path, tmp_path: Path) -> None:
        write(root / "a.md")
        (tmp_path / "link").symlink_to(root)
        assert [file.path for file in seen(tmp_path / "link").files] == [str(tmp_path / "link/a.md")]

    def test_a_source_that_leads_to_itself_is_away(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(SamovarError) as caught:
            seen(tmp_path / "loop")
        assert caught.value.code == FailureCode.NOT_FOUND


class TestOnlySome:
    def test_one_file(self, root: Path) -> None:
        write(root / "a.md")
        write(root / "deep/b.md")
        assert names(seen(root, only=[str(root / "deep/b.md")]), root) == ["deep/b.md"]

    def test_one_folder(self, root: Path) -> None:
        write(root / "a.md")
        write(root / "deep/er/b.md")
        assert names(seen(root, only=[str(root / "deep")]), root) == ["deep/er/b.md"]

    def test_a_file_below_what_is_excluded(self, root: Path) -> None:
        write(root / "drafts/deep/a.md")
        assert names(seen(root, "drafts/", only=[str(root / "drafts/deep/a.md")]), root) == []
        assert names(seen(root, "drafts/", only=[str(root / "drafts")]), root) == []

    def test_what_is_gone_or_elsewhere(self, root: Path, tmp_path: Path) -> None:
        write(root / "a.md")
        write(tmp_path / "elsewhere.md")
        only = [str(root / "gone.md"), str(root / "a.md/below"), str(tmp_path / "elsewhere.md")]
        found = seen(root, only=only)
        assert names(found, root) == []
        assert not found.problems

    def test_the_same_twice(self, root: Path) -> None:
        write(root / "deep/a.md")
        assert names(seen(root, only=[str(root / "deep"), str(root / "deep/a.md")]), root) == ["deep/a.md"]

    def test_is_left_out(self, root: Path) -> None:
        excludes = Excludes(["drafts/"])
        assert is_left_out(str(root), str(root / "drafts/gone.md"), excludes)
        assert is_left_out(str(root), str(root / "a/.hidden"), excludes)
        assert not is_left_out(str(root), str(root / "a/gone.md"), excludes)

    def test_folders_of(self, root: Path) -> None:
        write(root / "a/b/x.md")
        write(root / "c/.git/x.md")
        assert folders_of(str(root), Excludes(), str(root)) == [str(root / name) for name in ("", "a", "a/b", "c")]
        assert folders_of(str(root), Excludes(), str(root / "a")) == [str(root / name) for name in ("a", "a/b")]
        assert folders_of(str(root), Excludes(["a/"]), str(root / "a")) == []


class TestASingleFile:
    def test_it_belongs_whatever_its_name(self, tmp_path: Path) -> None:
        path = write(tmp_path / ".hidden.tmp")
        found = seen(path, readable=lambda name: False)
        assert [file.path for file in found.files] == [str(path)]

    def test_what_is_neither(self, tmp_path: Path) -> None:
        if sys.platform == "win32":
            pytest.skip("no pipes with names there")
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(SamovarError) as caught:
            seen(tmp_path / "pipe")
        assert caught.value.code == FailureCode.BAD_REQUEST


class TestAway:
    def test_a_folder_that_vanished(self, root: Path) -> None:
        root.rmdir()
        with pytest.raises(SamovarError) as caught:
            seen(root)
        assert caught.value.code == FailureCode.NOT_FOUND
        assert "stay" in caught.value.hint

    def test_a_name_that_cannot_be(self, tmp_path: Path) -> None:
        with pytest.raises(SamovarError) as caught:
            look(f"{tmp_path}/nul\0", Excludes())
        assert caught.value.code == FailureCode.NOT_FOUND

    def test_a_disk_that_was_taken_out_leaves_an_empty_folder(self, root: Path) -> None:
        assert not seen(root).own_disk
        with pytest.raises(SamovarError, match="not mounted"):
            seen(root, was_disk=True)

    def test_a_disk_that_goes_while_it_is_looked_at(self, root: Path, tmp_path: Path) -> None:
        for name in ("a/x.md", "b/x.md"):
            write(root / name)

        def readable(name: str) -> bool:
            if not (tmp_path / "away").exists():
                root.rename(tmp_path / "away")
                root.mkdir()
            return True

        with pytest.raises(SamovarError) as caught:
            seen(root, readable=readable)
        assert caught.value.code == FailureCode.NOT_FOUND

    def test_a_disk_is_known_as_one(self) -> None:
        if sys.platform == "win32":
            pytest.skip("every folder that is easy to name is large there")
        assert look("/", Excludes(["/*"], defaults=())).own_disk


@pytest.fixture
def closed(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Nobody may read that file or folder from now on; said by us, since permissions do not hold the super-user."""
    paths: set[str] = set()
    scandir, opened = os.scandir, os.open

    def close(name: str) -> None:
        paths.add(str(root / name))

    def refuse(path: object) -> None:
        if str(path) in paths:
            raise PermissionError(13, "Permission denied")

    def listing(path: str) -> object:
        refuse(path)
        return scandir(path)

    def opening(path: str, *arguments: int, **options: int) -> int:
        refuse(path)
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "scandir", listing)
    monkeypatch.setattr(os, "open", opening)
    return close


class TestPermissions:
    def test_a_closed_folder_keeps_what_was_known_of_it(self, root: Path, closed: Callable[[str], None]) -> None:
        write(root / "a.md")
        write(root / "deep/b.md")
        known = knows(root)
        closed("deep")
        (root / "a.md").unlink()
        found = seen(root)
        changes, _ = compare(known, found)
        assert [file.path for file in changes.gone] == [str(root / "a.md")]
        problem = found.problems[str(root / "deep")]
        assert problem.reason == "unreadable"
        assert problem.message == "The folder could not be read: Permission denied."
        assert found.unsure == {str(root / "deep")}
        assert "permission" in problem.hint.lower()

    def test_a_closed_file_that_must_be_read(self, root: Path, closed: Callable[[str], None]) -> None:
        write(root / "a.md")
        known = knows(root)
        write(root / "a.md", "next", at=YEAR_AGO + 60)
        closed("a.md")
        changes, problems = compare(known, seen(root))
        assert not changes
        assert list(problems) == [str(root / "a.md")]

    def test_a_closed_source_is_away(self, root: Path, closed: Callable[[str], None]) -> None:
        closed(".")
        with pytest.raises(SamovarError) as caught:
            seen(root)
        assert caught.value.code == FailureCode.NOT_FOUND


class TestCompare:
    def test_a_day_of_work(self, root: Path) -> None:
        for name in ("same.md", "edited.md", "old name.md", "deleted.md", "touched.md"):
            write(root / name, f"text of {name}")
        known = knows(root)
        write(root / "edited.md", "other text", at=YEAR_AGO + 60)
        (root / "sub").mkdir()
        (root / "old name.md").rename(root / "sub/new name.md")
        (root / "deleted.md").unlink()
        os.utime(root / "touched.md", (YEAR_AGO + 60, YEAR_AGO + 60))
        write(root / "new.md", "new text of some length")
        changes, problems = compare(known, seen(root))
        assert not problems
        assert [(pair.before.path, pair.after.path) for pair in changes.renamed] == [
            (str(root / "old name.md"), str(root / "sub/new name.md"))
        ]
        assert [file.path for file in changes.touched] == [str(root / "touched.md")]
        assert [file.path for file in changes.added] == [str(root / "new.md")]
        assert [file.path for file in changes.changed] == [str(root / "edited.md")]
        assert [file.path for file in changes.gone] == [str(root / "deleted.md")]

    def test_a_second_look_finds_nothing(self, root: Path) -> None:
        write(root / "a.md", at=time.time())
        assert not compare(knows(root), seen(root))[0]

    def test_only_what_was_looked_at_can_be_gone(self, root: Path) -> None:
        for name in ("a.md", "b.md", "deep/c.md"):
            write(root / name)
        known = knows(root)
        for name in ("a.md", "b.md", "deep/c.md"):
            (root / name).unlink()
        changes, _ = compare(known, seen(root, only=[str(root / "a.md"), str(root / "deep")]))
        assert [file.path for file in changes.gone] == [str(root / "a.md"), str(root / "deep/c.md")]

    def test_a_new_exclude_takes_documents_out(self, root: Path) -> None:
        write(root / "drafts/a.md")
        known = knows(root)
        changes, _ = compare(known, seen(root, "drafts/"))
        assert [file.path for file in changes.gone] == [str(root / "drafts/a.md")]

    def test_an_edit_within_the_same_tick_of_the_clock(self, root: Path) -> None:
        now = time.time()
        write(root / "a.md", "one", at=now)
        known = knows(root)
        write(root / "a.md", "two", at=now)
        assert [file.path for file in compare(known, seen(root))[0].changed] == [str(root / "a.md")]

    def test_files_are_read_only_where_that_tells_something(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(root / "a.md")
        known = knows(root)
        write(root / "b.md", "a new file of another size")
        monkeypatch.setattr(folders, "with_digest", pytest.fail)
        assert len(compare(known, seen(root))[0].added) == 1

    def test_a_file_that_goes_before_it_is_read(self, root: Path) -> None:
        write(root / "a.md")
        known = knows(root)
        write(root / "a.md", "next", at=YEAR_AGO + 60)
        found = seen(root)
        (root / "a.md").unlink()
        assert [file.path for file in compare(known, found)[0].gone] == [str(root / "a.md")]


def test_a_write_while_a_file_is_read_shows_later(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(root / "a.md", "one")
    digest = hashlib.file_digest

    def slow(file: object, name: str) -> object:
        write(path, "two", at=YEAR_AGO + 60)
        return digest(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", slow)
    known = [Known(*with_digest(str(path)))]
    monkeypatch.undo()
    changes, _ = compare(known, seen(root))
    assert changes.touched or changes.changed
