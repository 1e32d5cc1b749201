from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samovar.cli import logs
from samovar.cli.logs import Follower
from tests.samovar.cli.fakes import document, samovar

ENTRY = {
    "time": 1_700_000_000.123,
    "level": "warning",
    "logger": "samovar.http",
    "message": "port is taken",
    "port": 7266,
}


@pytest.fixture
def log(home: Path) -> Path:
    file = home / "logs" / "agent.log"
    file.parent.mkdir(parents=True)
    return file


def _write(file: Path, *messages: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.writelines(json.dumps({**ENTRY, "message": message}) + "\n" for message in messages)


def _messages(lines: Iterator[str] | list[str]) -> list[str]:
    return [json.loads(line)["message"] for line in lines]


def test_a_line_as_people_read_it(log: Path) -> None:
    _write(log, "port is taken")
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_700_000_000))
    assert samovar("logs").stdout == f"{moment}  warning  samovar.http: port is taken  port=7266\n"


def test_a_traceback_stands_below_its_line(log: Path) -> None:
    log.write_text(json.dumps({**ENTRY, "traceback": "Traceback:\n  File x"}) + "\n")
    first, *rest = samovar("logs").stdout.splitlines()
    assert "traceback" not in first
    assert rest == ["    Traceback:", "      File x"]


def test_lines_of_another_kind_are_shown_as_they_are(log: Path) -> None:
    log.write_text('not json\n[1]\n{"half": \n')
    assert samovar("logs").stdout == 'not json\n[1]\n{"half": \n'


def test_the_last_lines_come_from_rotated_files_too(log: Path) -> None:
    _write(log.with_name("agent.log.2"), "1", "2")
    _write(log.with_name("agent.log.1"), "3", "4")
    _write(log, "5")
    assert _messages(logs.last_lines(log, 4)) == ["2", "3", "4", "5"]
    assert _messages(logs.last_lines(log, 50)) == ["1", "2", "3", "4", "5"]
    assert logs.last_lines(log, 0) == []


def test_json_prints_the_lines_of_the_file(log: Path) -> None:
    _write(log, "a", "b")
    result = samovar("logs", "--json", "-n", "1")
    assert result.stdout == log.read_text().splitlines()[1] + "\n"
    assert document(result)["message"] == "b"


def test_without_a_log(home: Path) -> None:
    result = samovar("logs")
    assert result.exit_code == 4
    assert str(home) in result.stderr


def test_following_sees_whole_lines_across_a_rotation(log: Path) -> None:
    _write(log, "old")
    follower = Follower(log)
    assert list(follower.new_lines()) == []
    _write(log, "1")
    with log.open("a") as opened:
        opened.write('{"message"')
    assert _messages(follower.new_lines()) == ["1"]
    with log.open("a") as opened:
        opened.write(': "2"}\n')
    _write(log, "3")
    log.rename(log.with_name("agent.log.1"))
    _write(log, "4")
    assert _messages(follower.new_lines()) == ["2", "3", "4"]
    assert list(follower.new_lines()) == []


def test_following_sees_two_rotations_between_looks(log: Path) -> None:
    _write(log, "old")
    follower = Follower(log)
    _write(log, "1")
    log.rename(log.with_name("agent.log.2"))
    _write(log.with_name("agent.log.1"), "2")
    _write(log, "3")
    assert _messages(follower.new_lines()) == ["1", "2", "3"]


def test_following_a_log_that_comes_later(log: Path) -> None:
    follower = Follower(log)
    assert list(follower.new_lines()) == []
    _write(log, "1")
    assert _messages(follower.new_lines()) == ["1"]


def test_ctrl_c_is_how_one_leaves(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(log, "before")
    looks = iter(["after"])

    def sleep(_seconds: float) -> None:
        for message in looks:
            _write(log, message)
            return
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(time, "sleep", sleep)
    result = samovar("logs", "-f")
    assert result.exit_code == 0
    assert [line.split("  ")[2] for line in result.stdout.splitlines()] == [
        "samovar.http: before",
        "samovar.http: after",
    ]
