import pytest

from samovar_agent.documents.folders_excludes import DEFAULT_EXCLUDES, MAX_PATTERNS, Excludes
from samovar_protocol import FailureCode, SamovarError


@pytest.mark.parametrize(
    ("patterns", "path", "left_out"),
    [
        ([], "notes.md", False),
        ([], "deep/er/notes.md", False),
        ([], ".env", True),
        ([], "deep/.hidden.md", True),
        ([], "~$report.docx", True),
        ([], "film.mp4.part", True),
        (["*.csv"], "deep/table.csv", True),
        (["*.csv", "!important.csv"], "deep/important.csv", False),
        (["/draft.md"], "draft.md", True),
        (["/draft.md"], "deep/draft.md", False),
        (["a/**/z.md"], "a/b/c/z.md", True),
        (["!.zshrc"], ".zshrc", False),
        (["# no pattern", ""], "no pattern", False),
        (["two words.md"], "two words.md", True),
        (["ä*.md"], "ähnlich.md", True),
        (["*.md"], "line\nbreak.md", True),
        (["*.md"], "name.md\n", False),
    ],
)
def test_files(patterns: list[str], path: str, left_out: bool) -> None:
    assert Excludes(patterns).file(path) is left_out


@pytest.mark.parametrize(
    ("patterns", "path", "left_out"),
    [
        ([], "project", False),
        ([], "project/node_modules", True),
        ([], ".git", True),
        (["!.github/"], ".github", False),
        (["drafts/"], "2026/drafts", True),
        (["drafts/"], "2026/drafts of others", False),
        (["private/"], "odd\nname/private", True),
        (["/only/here"], "only/here", True),
        (["/only/here"], "not/only/here", False),
    ],
)
def test_folders(patterns: list[str], path: str, left_out: bool) -> None:
    assert Excludes(patterns).folder(path) is left_out


def test_a_pattern_for_folders_says_nothing_about_files() -> None:
    excludes = Excludes(["drafts/"])
    assert excludes.folder("drafts")
    assert not excludes.file("drafts")


def test_a_folder_that_is_taken_back_has_its_files() -> None:
    assert not Excludes(["!.github/"]).file(".github/workflow.md")


def test_without_the_defaults() -> None:
    assert DEFAULT_EXCLUDES
    assert not Excludes(defaults=()).file(".env")


@pytest.mark.parametrize("patterns", [["!"], ["a\\"], ["*.md"] * (MAX_PATTERNS + 1), ["x" * 20_000]])
def test_what_is_no_pattern(patterns: list[str]) -> None:
    with pytest.raises(SamovarError) as caught:
        Excludes(patterns)
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert ".gitignore" in caught.value.hint


def test_the_same_patterns_are_the_same() -> None:
    assert Excludes(["a", "b"]) == Excludes(["a", "b"])
    assert len({Excludes(["a", "b"]), Excludes(["a", "b"]), Excludes(["b", "a"])}) == 2


@pytest.mark.parametrize("name", ["x\r", "x\t", "x\u00a0", "x\u2003", " x ", "x\r\n", "\x0bx", "a\u00a0b"])
def test_white_space_around_a_name_is_part_of_it(name: str) -> None:
    excludes = Excludes([Excludes.pattern_of(name, folder=False)], defaults=())
    assert excludes.file(name)
    assert not any(excludes.file(other) for other in ("x", "ab", f"{name}y", f"{name}\u00a0"))
    assert Excludes([Excludes.pattern_of(name, folder=True)], defaults=()).folder(name)
