from __future__ import annotations

from pathlib import Path

import pytest

from samovar.cli.docs.options import absolute


def test_a_path_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    assert absolute(Path("a/../b.txt")) == str(tmp_path / "b.txt")
    assert absolute(Path(".")) == str(tmp_path)


def test_a_link_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert absolute(tmp_path / "link" / "b.txt") == str(tmp_path / "link" / "b.txt")


def test_the_folder_above_a_link_is_that_above_what_it_links_to(tmp_path: Path) -> None:
    (tmp_path / "deep" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "real")
    assert absolute(tmp_path / "link" / ".." / "b.txt") == str(tmp_path.resolve() / "deep" / "b.txt")
