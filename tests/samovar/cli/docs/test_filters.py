from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
import pytest

from samovar.cli.docs.filters import document_filter, media_type, since, until


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("application/x-own", "application/x-own"),
        ("pdf", "application/pdf"),
        (".PDF", "application/pdf"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("md", "text/markdown"),
        ("txt", "text/plain"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("py", "text/x-python"),
        ("json", "application/json"),
    ],
)
def test_media_types(said: str, meant: str) -> None:
    assert media_type(said) == meant


@pytest.mark.parametrize("said", ["exe", "", "nonsense", "odp"])
def test_what_is_no_document_is_a_usage_error(said: str) -> None:
    with pytest.raises(click.BadParameter, match="media type"):
        media_type(said)


def test_a_day_is_meant_whole() -> None:
    assert datetime.fromtimestamp(since("2026-11-23")) == datetime(2026, 11, 23)
    assert datetime.fromtimestamp(until("2026-11-23")) == datetime(2026, 11, 23, 23, 59, 59, 999999)


def test_a_moment_is_meant_exactly() -> None:
    at = datetime(2026, 11, 23, 9, 30).timestamp()
    assert since("2026-11-23T09:30") == until("2026-11-23 09:30") == at
    assert since("1970-01-01T00:00:10+00:00") == 10


def test_how_long_ago() -> None:
    now = datetime.now().timestamp()
    assert now - 7 * 86400 <= since("7d") <= datetime.now().timestamp() - 7 * 86400


@pytest.mark.parametrize("said", ["", "soon", "2026-13-01", "2026-02-30", "7"])
def test_what_is_no_time_is_a_usage_error(said: str) -> None:
    with pytest.raises(click.BadParameter, match="not a time"):
        since(said)


def test_a_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = document_filter(path=Path("papers/"), types=(), since=None, until=None)
    assert found.path_prefix == str(tmp_path / "papers")
