import os

import pytest
from hypothesis import given
from hypothesis import strategies as some

from samovar_agent.documents.folders_plan import Changes, Found, Known, Renamed, plan, to_read, within

LONG_AGO = 1_000.0
NOW = 2_000_000.0

paths = some.lists(some.sampled_from(["a", "b", "c\n", "ä"]), min_size=1, max_size=3).map(
    lambda parts: "/r/" + "/".join(parts)
)
contents = some.sampled_from(["one", "two", "drei", "viele"])
"""Two of a size each, so that sizes alone do not tell."""
times = some.sampled_from([1.0, 2.0, 3.5])
trees = some.dictionaries(paths, some.tuples(contents, times), max_size=12)

Tree = dict[str, tuple[str, float]]


def known_of(tree: Tree) -> list[Known]:
    return [Known(path, len(content), mtime, content) for path, (content, mtime) in tree.items()]


def found_of(tree: Tree, *, read: bool = True) -> list[Found]:
    return [Found(path, len(content), mtime, content if read else None) for path, (content, mtime) in tree.items()]


def applied(known: list[Known], changes: Changes) -> dict[str, tuple[int, float, str | None]]:
    """What the store has after the changes, in their order; fails where one of them does not fit."""
    files = {file.path: file for file in known}
    for pair in changes.renamed:
        assert files.pop(pair.before.path) == pair.before
        assert pair.after.path not in files
        assert pair.after.sha256 == pair.before.sha256
        files[pair.after.path] = Known(*pair.after)
    for file in changes.touched:
        assert files[file.path].sha256 == file.sha256
        files[file.path] = Known(*file)
    for file in changes.added:
        assert file.path not in files
        files[file.path] = Known(*file)
    for file in changes.changed:
        assert files[file.path].sha256 != file.sha256
        files[file.path] = Known(*file)
    for old in changes.gone:
        del files[old.path]
    return {path: (file.size, file.mtime, file.sha256) for path, file in files.items()}


@given(trees, trees)
def test_applied_to_what_was_known_it_gives_what_was_found(before: Tree, after: Tree) -> None:
    changes = plan(known_of(before), found_of(after))
    assert applied(known_of(before), changes) == {f.path: (f.size, f.mtime, f.sha256) for f in found_of(after)}


@given(trees)
def test_nothing_happened(tree: Tree) -> None:
    assert not plan(known_of(tree), found_of(tree))
    assert not plan(known_of(tree), found_of(tree, read=False))


@given(trees, trees)
def test_reading_only_what_is_asked_for_finds_the_same(before: Tree, after: Tree) -> None:
    known = known_of(before)
    # An editor that keeps size and time is seen only by those who were there.
    after = {
        path: (content, 9.0 if path in before and len(content) == len(before[path][0]) else mtime)
        for path, (content, mtime) in after.items()
    }
    asked = {file.path for file in to_read(known, found_of(after, read=False), now=NOW)}
    read = [file if file.path in asked else file._replace(sha256=None) for file in found_of(after)]
    lazily, fully = plan(known, read), plan(known, found_of(after))
    assert lazily.renamed == fully.renamed
    assert lazily.touched == fully.touched
    assert lazily.gone == fully.gone
    assert [file.path for file in lazily.added] == [file.path for file in fully.added]
    assert [file.path for file in lazily.changed] == [file.path for file in fully.changed]


@given(trees, trees)
def test_as_many_as_possible_are_renamed(before: Tree, after: Tree) -> None:
    changes = plan(known_of(before), found_of(after))
    left = {file.sha256 for file in changes.gone} & {file.sha256 for file in changes.added}
    assert not left


@given(trees, trees, some.lists(paths, max_size=2))
def test_nothing_goes_that_could_not_be_looked_at(before: Tree, after: Tree, unsure: list[str]) -> None:
    changes = plan(known_of(before), found_of(after), unsure=unsure)
    lost = [file.path for file in changes.gone] + [pair.before.path for pair in changes.renamed]
    assert not [path for path in lost if any(path == top or path.startswith(f"{top}/") for top in unsure)]


def old(path: str, content: str = "text") -> Known:
    return Known(path, len(content), LONG_AGO, content)


def new(path: str, content: str = "text") -> Found:
    return Found(path, len(content), LONG_AGO, content)


def test_a_renamed_folder_keeps_which_file_is_which() -> None:
    before = [old("/r/old/a.md"), old("/r/old/b.md"), old("/r/old/deep/a.md", "other")]
    after = [new("/r/new/a.md"), new("/r/new/b.md"), new("/r/new/deep/a.md", "other")]
    assert plan(before, after).renamed == [Renamed(*pair) for pair in zip(before, after, strict=True)]


def test_the_same_name_elsewhere_is_rather_the_same_file_than_another_name_here() -> None:
    changes = plan([old("/r/a/x.md")], [new("/r/a/y.md"), new("/r/b/x.md")])
    assert changes.renamed == [Renamed(old("/r/a/x.md"), new("/r/b/x.md"))]
    assert changes.added == [new("/r/a/y.md")]


def test_a_copy_is_no_rename() -> None:
    changes = plan([old("/r/a.md")], [new("/r/a.md"), new("/r/b.md")])
    assert changes.added == [new("/r/b.md")]
    assert not changes.renamed


def test_a_file_moved_over_another_changes_that_one() -> None:
    changes = plan([old("/r/a.md", "one"), old("/r/b.md", "two")], [new("/r/b.md", "one")])
    assert changes == Changes([], [], [], [new("/r/b.md", "one")], [old("/r/a.md", "one")])


def test_many_empty_files_in_a_renamed_folder_take_no_time() -> None:
    before = [Known(f"/r/old/{number}", 0, LONG_AGO, "e3b0") for number in range(20_000)]
    after = [Found(f"/r/new/{number}", 0, LONG_AGO, "e3b0") for number in range(20_000)]
    assert len(plan(before, after).renamed) == 20_000


def test_a_touched_file_is_not_indexed_again() -> None:
    touched = Found("/r/a.md", 4, LONG_AGO + 1, "text")
    assert plan([old("/r/a.md")], [touched]).touched == [touched]


def test_a_file_that_is_queued_and_stays_as_it_is() -> None:
    queued = Known("/r/a.md", 4, LONG_AGO)
    assert not plan([queued], [Found("/r/a.md", 4, LONG_AGO)])
    assert to_read([queued], [Found("/r/a.md", 4, LONG_AGO)], now=LONG_AGO) == []
    later = Found("/r/a.md", 4, LONG_AGO + 1)
    assert plan([queued], [later]).changed == [later]


class TestToRead:
    def test_a_new_file_is_read_only_where_one_of_its_size_went(self) -> None:
        assert to_read([], [new("/r/a.md")], now=NOW) == []
        assert to_read([old("/r/b.md")], [new("/r/a.md")], now=NOW) == [new("/r/a.md")]
        assert to_read([old("/r/b.md")], [new("/r/b.md"), new("/r/a.md")], now=NOW) == []

    def test_another_size_is_another_content(self) -> None:
        assert to_read([old("/r/a.md")], [new("/r/a.md", "longer text")], now=NOW) == []

    def test_another_time_may_be_the_same_content(self) -> None:
        touched = Found("/r/a.md", 4, LONG_AGO + 1)
        assert to_read([old("/r/a.md")], [touched], now=NOW) == [touched]

    @pytest.mark.parametrize(("now", "read"), [(LONG_AGO + 1, True), (LONG_AGO - 1, True), (LONG_AGO + 60, False)])
    def test_a_time_of_just_now_may_hide_a_second_change(self, now: float, read: bool) -> None:
        assert bool(to_read([old("/r/a.md")], [Found("/r/a.md", 4, LONG_AGO)], now=now)) is read


@pytest.mark.parametrize(
    ("path", "tops", "inside"),
    [
        ("/r/a/b", {"/r/a"}, True),
        ("/r/a", {"/r/a"}, True),
        ("/r/ab", {"/r/a"}, False),
        ("/r/a", {"/r/a/b"}, False),
        ("/r/a", {"/"}, True),
        ("/r/a", set(), False),
        ("/r/a\nb/c", {"/r/a\nb"}, True),
    ],
)
def test_within(path: str, tops: set[str], inside: bool) -> None:
    assert within(path.replace("/", os.sep), {top.replace("/", os.sep) for top in tops}) is inside
