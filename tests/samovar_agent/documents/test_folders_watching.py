import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from samovar_agent.documents import folders_watching
from samovar_agent.documents.folders import compare, look, with_digest
from samovar_agent.documents.folders_excludes import Excludes
from samovar_agent.documents.folders_plan import Known
from samovar_agent.documents.folders_watching import SourceWatch, Watched
from samovar_protocol import FailureCode, SamovarError


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


class Follower:
    """Keeps up with a source the way that the documents' service does. - calls: what it was told of."""

    def __init__(self, root: Path, *patterns: str, is_file: bool = False) -> None:
        self.root = root
        self.excludes = Excludes(patterns)
        self.known: dict[str, Known] = {}
        self.calls: list[frozenset[str]] = []
        self.indexed: list[str] = []
        self.problem: SamovarError | None = None
        self.watch = SourceWatch(tick=0.02, quiet=0.1, poll=0.05)
        self.watch.set([Watched(str(root), self.excludes, is_file)])
        self.task: asyncio.Task[None] | None = None

    async def changed(self, root: str, paths: frozenset[str]) -> None:
        self.calls.append(paths)
        if self.problem:
            raise self.problem
        changes, _ = compare(self.known.values(), look(root, self.excludes, only=paths))
        for pair in changes.renamed:
            del self.known[pair.before.path]
            self.known[pair.after.path] = Known(*pair.after)
        for file in (*changes.added, *changes.changed, *changes.touched):
            self.known[file.path] = Known(*with_digest(file.path))
        self.indexed += [os.path.basename(file.path) for file in (*changes.added, *changes.changed)]
        for old in changes.gone:
            del self.known[old.path]

    @property
    def names(self) -> list[str]:
        return sorted(os.path.relpath(path, self.root).replace(os.sep, "/") for path in self.known)

    @property
    def listens(self) -> bool:
        return all(root._notify is not None for root in self.watch._roots.values())

    async def start(self) -> None:
        self.task = asyncio.create_task(self.watch.run(self.changed))
        await until(lambda: self.calls, "the catch-up")

    async def stop(self) -> None:
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture(params=["told by the system", "looked at now and then"])
async def follower(
    request: pytest.FixtureRequest, root: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Follower]:
    """One that runs already; both ways to notice changes."""
    told = request.param == "told by the system"
    if not told:
        monkeypatch.setattr(folders_watching, "is_network_folder", lambda *_: True)
        monkeypatch.setattr(folders_watching, "_SHARE", 1)
    follower = Follower(root, "drafts/")
    await follower.start()
    assert follower.listens == told
    yield follower
    await follower.stop()


class TestNoticed:
    async def test_files_that_come_change_and_go(self, follower: Follower, root: Path) -> None:
        (root / "a.md").write_text("one")
        await until(lambda: follower.names == ["a.md"], "it is there")
        before = follower.known[str(root / "a.md")]
        (root / "a.md").write_text("two and more")
        await until(lambda: follower.known[str(root / "a.md")].sha256 != before.sha256, "it is another")
        (root / "a.md").unlink()
        await until(lambda: follower.names == [], "it is gone")

    async def test_a_folder_with_folders(self, follower: Follower, root: Path) -> None:
        (root / "x/y").mkdir(parents=True)
        (root / "x/y/a.md").write_text("one")
        await until(lambda: follower.names == ["x/y/a.md"], "it is there")
        (root / "x/y/b.md").write_text("two")
        await until(lambda: "x/y/b.md" in follower.names, "its folder is watched too")

    async def test_a_renamed_folder_is_not_indexed_again(self, follower: Follower, root: Path) -> None:
        (root / "x").mkdir()
        (root / "x/a.md").write_text("one")
        await until(lambda: follower.names == ["x/a.md"], "it is there")
        (root / "x").rename(root / "y")
        await until(lambda: follower.names == ["y/a.md"], "it has its new name")
        assert follower.indexed == ["a.md"]
        (root / "y/b.md").write_text("two")
        await until(lambda: "y/b.md" in follower.names, "it is watched under its new name")

    async def test_a_folder_that_is_made_again(self, follower: Follower, root: Path) -> None:
        for content in ("one", "two, longer"):
            (root / "x").mkdir()
            (root / "x/a.md").write_text(content)
            await until(lambda: follower.names == ["x/a.md"], "it is there")
            (root / "x/a.md").unlink()
            (root / "x").rmdir()
            await until(lambda: follower.names == [], "it is gone")

    async def test_what_is_excluded(self, follower: Follower, root: Path) -> None:
        (root / "drafts").mkdir()
        (root / "drafts/a.md").write_text("one")
        (root / ".a.md.swp").write_text("one")
        (root / "b.md").write_text("one")
        await until(lambda: follower.names == ["b.md"], "the others are left out")

    async def test_a_folder_that_is_away_for_a_while(self, follower: Follower, root: Path, tmp_path: Path) -> None:
        (root / "a.md").write_text("one")
        await until(lambda: follower.names == ["a.md"], "it is there")
        root.rename(tmp_path / "away")
        (tmp_path / "away/b.md").write_text("two")
        calls = len(follower.calls)
        await until(lambda: len(follower.calls) > calls, "that it went is told")
        assert follower.names == ["a.md"]
        (tmp_path / "away").rename(root)
        await until(lambda: follower.names == ["a.md", "b.md"], "it is back")
        (root / "c.md").write_text("three")
        await until(lambda: "c.md" in follower.names, "and followed")

    async def test_links_are_not_followed(self, follower: Follower, root: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (root / "link").symlink_to(tmp_path / "elsewhere")
        (root / "loop").symlink_to(root)
        (tmp_path / "elsewhere/a.md").write_text("one")
        (root / "b.md").write_text("two")
        await until(lambda: follower.names == ["b.md"], "only what is in it")


async def test_it_catches_up_after_a_restart(root: Path) -> None:
    follower = Follower(root)
    (root / "a.md").write_text("one")
    (root / "b.md").write_text("two!")
    await follower.start()
    await until(lambda: follower.names == ["a.md", "b.md"], "both are there")
    await follower.stop()
    (root / "a.md").unlink()
    (root / "b.md").rename(root / "c.md")
    (root / "d.md").write_text("three")
    later = Follower(root)
    later.known = follower.known
    await later.start()
    await until(lambda: later.names == ["c.md", "d.md"], "what happened meanwhile is known")
    assert later.indexed == ["d.md"]
    await later.stop()


async def test_an_editors_save_is_one_change(root: Path) -> None:
    (root / "a.md").write_text("one")
    follower = Follower(root)
    await follower.start()
    await until(lambda: follower.names == ["a.md"] and follower.listens, "it is watched")
    calls = len(follower.calls)
    # As editors do it: beside it, in pieces, the old one kept until the new one has its name.
    with (root / ".a.md.new").open("w") as file:
        for _ in range(5):
            file.write("more text\n")
            file.flush()
            await asyncio.sleep(0.01)
    (root / "a.md").rename(root / "a.md~")
    (root / ".a.md.new").rename(root / "a.md")
    (root / "a.md~").unlink()
    await until(lambda: len(follower.indexed) == 2, "it is noticed")
    assert follower.calls[calls:] == [frozenset({str(root / "a.md")})]
    await follower.stop()


async def test_a_single_file(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("one")
    follower = Follower(path, is_file=True)
    await follower.start()
    await until(lambda: follower.indexed == ["a.md"] and follower.listens, "it is watched")
    calls = len(follower.calls)
    (tmp_path / "b.md").write_text("beside it")
    (tmp_path / "new").write_text("two, and other words")
    (tmp_path / "new").rename(path)
    await until(lambda: follower.indexed == ["a.md", "a.md"], "another file has its name")
    assert set(follower.calls[calls:]) == {frozenset({str(path)})}
    await follower.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
async def test_a_name_that_is_not_text_ends_nothing(root: Path) -> None:
    follower = Follower(root)
    await follower.start()
    for number in range(3):
        with open(os.fsencode(root) + b"/caf\xe9-%d.md" % number, "w") as file:
            file.write("one")
        (root / f"{number}.md").write_text(f"one {number}")
        await until(lambda number=number: f"{number}.md" in follower.names, "others are noticed")  # type: ignore[misc]
    assert len(follower.names) == 3
    await follower.stop()


async def test_the_systems_limit_of_watches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import watchfiles._rust_notify

    def limited(*_: object) -> object:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles._rust_notify, "RustNotify", limited)
    monkeypatch.setattr(folders_watching, "_SHARE", 1)
    follower = Follower(root)
    await follower.start()
    (root / "a.md").write_text("one")
    await until(lambda: follower.names == ["a.md"], "it is noticed all the same")
    await follower.stop()


async def test_a_failure_is_said_once_and_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(folders_watching, "_SHARE", 1)
    follower = Follower(root)
    follower.problem = SamovarError(FailureCode.DISK_FULL, "The disk is full.")
    (root / "a.md").write_text("one")
    with caplog.at_level(logging.WARNING, logger="samovar.documents"):
        await follower.start()
        await until(lambda: len(follower.calls) >= 3, "again and again")
    assert [record.message for record in caplog.records] == ["The disk is full."]
    follower.problem = None
    await until(lambda: follower.names == ["a.md"], "until it works")
    await follower.stop()


async def test_sources_come_and_go(root: Path, tmp_path: Path) -> None:
    follower = Follower(root)
    await follower.start()
    follower.watch.set([])
    assert follower.watch._roots == {}
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("one")
    follower.root = other
    follower.watch.set([Watched(str(other), follower.excludes)])
    await until(lambda: follower.names == ["a.md"], "the new one is followed")
    (root / "b.md").write_text("two")
    (other / "c.md").write_text("three")
    await until(lambda: "c.md" in follower.names, "still")
    assert not [path for path in follower.known if path.startswith(str(root))]
    assert not follower.watch._removed
    await follower.stop()


async def test_other_excludes_look_at_everything_again(root: Path) -> None:
    follower = Follower(root)
    (root / "drafts").mkdir()
    (root / "drafts/a.md").write_text("one")
    await follower.start()
    await until(lambda: follower.names == ["drafts/a.md"], "it is there")
    follower.excludes = Excludes(["drafts/"])
    follower.watch.set([Watched(str(root), follower.excludes)])
    await until(lambda: follower.names == [], "it is left out now")
    await follower.stop()


async def test_now_and_then_everything_is_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders_watching, "THOROUGH_SECONDS", 0.05)
    monkeypatch.setattr(folders_watching, "_SHARE", 1)
    follower = Follower(root)
    await follower.start()
    await until(lambda: len(follower.calls) > 3, "without anything that happened")
    assert set(follower.calls) == {frozenset({str(root)})}
    await follower.stop()


def test_paths_as_macos_tells_them(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    one = folders_watching._Root(Watched(str(tmp_path / "link"), Excludes()), 0.1)
    one._real = str(root)
    assert one._as_named(str(root / "a.md")) == str(tmp_path / "link/a.md")
    assert one._as_named(str(tmp_path / "link/a.md")) == str(tmp_path / "link/a.md")
    assert one._as_named(str(root) + "er") == str(root) + "er"
