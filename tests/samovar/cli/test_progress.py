from __future__ import annotations

import asyncio

import pytest

from samovar.cli import progress, terminal
from samovar.cli.progress import ProgressBar, detail
from samovar_protocol.values import Progress


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (
            Progress(stage="downloading", done=12.3e6, total=98.4e6, per_second=8.1e6, eta_seconds=10.6),
            "12.3 MB of 98.4 MB  8.1 MB/s  11s left",
        ),
        (Progress(stage="downloading", done=5e6), "5 MB"),
        (
            Progress(stage="reading", done=120, total=1200, unit="documents", per_second=45.2, eta_seconds=24),
            "120 of 1,200 documents  45/s  24s left",
        ),
        (Progress(stage="looking", done=1234, unit="documents"), "1,234 documents"),
        (Progress(stage="reading", done=0, total=1, unit="documents"), "0 of 1 document"),
        (Progress(stage="looking", done=1, unit="documents"), "1 document"),
        (
            Progress(stage="embedding", done=3, total=7, unit="passages", per_second=0.4, eta_seconds=10),
            "3 of 7 passages  0.4/s  10s left",
        ),
        (Progress(stage="queued", done=3, unit="requests"), "about 3 before"),
        (Progress(stage="loading", done=0.256, unit="ratio", eta_seconds=2.0), "26%  2.0s left"),
        (Progress(stage="loading", done=1, total=4, unit="ratio"), "25%"),
    ],
)
def test_detail(seen: Progress, text: str) -> None:
    assert detail(seen) == text


async def test_what_is_over_at_once_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("smol", delay=60) as bar:
        bar.show(Progress(stage="loading", done=0.5, unit="ratio"))
    assert capsys.readouterr() == ("", "")


async def test_without_a_terminal_there_is_one_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("smol", delay=0) as bar:
        await asyncio.sleep(0.01)
        for done in range(5):
            bar.show(Progress(stage="downloading", done=done, total=98.4e6))
        bar.show(Progress(stage="verifying", done=1, total=98.4e6))
    assert capsys.readouterr() == ("", "downloading smol (98.4 MB)\nverifying smol (98.4 MB)\n")


async def test_who_waits_for_a_turn_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("the model", delay=0) as bar:
        await asyncio.sleep(0.01)
        bar.show(Progress(stage="queued", done=3, unit="requests"))
        bar.show(Progress(stage="answering", done=0.1, unit="ratio"))
    assert capsys.readouterr().err == "waiting for the model\nlistening to the model\n"


async def test_a_terminal_gets_a_bar_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "stderr_is_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with ProgressBar("smol[x]", delay=0) as bar:
        bar.show(Progress(stage="downloading", done=5e6, total=1e7, per_second=1e6, eta_seconds=5))
        await asyncio.sleep(0.01)
        assert bar._bar is not None
        bar._bar.refresh()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "downloading smol[x]" in shown.err
    assert "5 MB of 10 MB  1 MB/s  5.0s left" in shown.err
    assert bar._bar is None


async def test_the_delay_is_the_modules(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "DELAY", 0)
    with ProgressBar("smol") as bar:
        await asyncio.sleep(0.01)
        bar.show(Progress(stage="loading", done=0.5, unit="ratio"))
    assert capsys.readouterr().err == "loading smol\n"
