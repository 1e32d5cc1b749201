from __future__ import annotations

import json

import pytest

from samovar.cli import output, terminal
from samovar.cli.output import Column

COLUMNS = (Column("NAME"), Column("SIZE", right=True), Column("STATE", styles={"broken": "red"}))
ROWS = [("a", "1 MB", "ready"), ("[b]ücher", "12.3 GB", "broken")]


def test_plain_columns_are_stable_and_unstyled(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table(COLUMNS, ROWS)
    assert capsys.readouterr().out == (
        "NAME         SIZE  STATE\na            1 MB  ready\n[b]ücher  12.3 GB  broken\n"
    )


def test_a_terminal_gets_the_same_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    output.show_table(COLUMNS, ROWS)
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines()] == [
        ["NAME", "SIZE", "STATE"],
        ["a", "1", "MB", "ready"],
        ["[b]ücher", "12.3", "GB", "broken"],
    ]


def test_json_is_one_document_in_utf8_with_a_line_break(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output.show_json({"name": "Bücher", "sizes": [1]})
    assert capfdbinary.readouterr().out == '{\n  "name": "Bücher",\n  "sizes": [\n    1\n  ]\n}\n'.encode()


def test_lines_repeat_no_label(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_lines([("http", "one"), ("http", "two"), ("models", "3")])
    assert capsys.readouterr().out == "http    one\n        two\nmodels  3\n"


EVIL = "ev\x1b[2J\x9b\x07il"


@pytest.mark.parametrize("in_terminal", [True, False])
def test_a_name_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_terminal: bool
) -> None:
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: in_terminal)
    output.show_table((Column("NAME"), Column("STATE")), [(EVIL, "rea\ndy")])
    output.show_lines([(EVIL, EVIL, "red")])
    output.say(EVIL)
    output.note(EVIL, dim=True)
    output.warn(EVIL)
    for shown in capsys.readouterr():
        assert "ev[2Jil" in shown
        assert not {"\x1b", "\x9b", "\x07"} & set(shown)
        assert "rea\ndy" not in shown


def test_a_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table((Column("NAME"), Column("STATE")), [("a\nb\tc", "ready")])
    assert capsys.readouterr().out == "NAME   STATE\na b c  ready\n"


def test_json_says_a_name_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_json({"name": EVIL})
    assert json.loads(capsys.readouterr().out) == {"name": EVIL}


def test_a_reply_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "a\x1b]52;c;AAAA\x07\x1b[2Jb\n\tc\x9b"
    assert terminal.safe(evil) == evil  # a file or a pipe gets what the model said
    monkeypatch.setattr(terminal, "stdout_is_terminal", lambda: True)
    assert terminal.safe(evil) == "a]52;c;AAAA[2Jb\n\tc"
