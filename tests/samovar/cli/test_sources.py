"""What stands below an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from samovar.cli.sources import excerpt, place, show_citations, show_worth
from tests.samovar.cli.docs.examples import ASKED, BELOW, CITED, EVIL, HARMLESS, NOT_FOUND, PASSAGE


def _cited(**changed: Any) -> Any:
    return msgspec.structs.replace(CITED, **changed)


def test_places() -> None:
    assert place(CITED) == place(PASSAGE) == "tea.pdf, page 3, Vessels › Samovar"
    assert place(_cited(page=None, headings=[])) == "tea.pdf"
    assert place(_cited(name="a\nb", page=None, headings=["c\t d"])) == "a b, c d"


def test_sources_come_by_number_each_place_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_citations(
        [
            _cited(number=2, name="snow.md", page=None, headings=[], quote=None),
            _cited(number=1, start=500, page=4, headings=[], quote="Hot."),
            CITED,
            _cited(quote="It has a tap."),
            CITED,
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "[1] tea.pdf, page 3, Vessels › Samovar",
        "    “The samovar keeps tea hot for hours.”",
        "    “It has a tap.”",
        "[1] tea.pdf, page 4",
        "    “Hot.”",
        "[2] snow.md",
        "    (No single sentence of it says this.)",
    ]


def test_a_quote_has_two_lines_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = excerpt("word " * 200, lines=2).splitlines()
    assert len(shown) == 2
    assert max(map(len, shown)) <= 100
    assert shown[1].endswith(" …")
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, excerpt("word " * 200, lines=2).splitlines())) <= 40
    assert excerpt("  ", lines=2) == ""


def test_an_excerpt_of_text_without_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = f"{'これは何の関係もない文である。' * 30}東京都庁は新宿区にある。{'まだまだ続く。' * 30}"
    shown = excerpt(text, lines=2, about="都庁はどこ")
    assert "東京都庁は新宿区にある" in "".join(shown.split())
    assert len(shown.splitlines()) == 2
    assert all(2 * len(line.strip()) <= 60 for line in shown.splitlines())  # each takes two columns


def test_an_excerpt_shows_what_was_looked_for() -> None:
    text = f"{'Nothing of it here. ' * 40}The seal of the samovar has number 77-B. {'More of it. ' * 40}"
    shown = excerpt(text, lines=3, about="number of the seals")
    assert shown.startswith("    … ")
    assert "The seal of the samovar has number 77-B." in " ".join(shown.split())
    assert len(shown.splitlines()) == 3
    assert excerpt(text, lines=3, about="zebra") == excerpt(text, lines=3)
    # Where its beginning has as much, it is shown from its beginning.
    assert excerpt(text, lines=3, about="nothing here") == excerpt(text, lines=3)
    assert excerpt("İ " * 300 + "seal", lines=2, about="seal").startswith("    İ")


def test_what_was_not_given_stands_apart(capsys: pytest.CaptureFixture[str]) -> None:
    show_worth(msgspec.structs.replace(ASKED, outcome="not_found", citations=[], withheld="Lima\nis it."))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[:2] == [
        "What the model wrote instead is in none of the documents:",
        "    “Lima is it.”",
    ]


def test_a_good_answer_has_its_sources_below(capsys: pytest.CaptureFixture[str]) -> None:
    show_worth(ASKED)
    assert capsys.readouterr() == (BELOW, "(The model read 1 passage of tea.pdf.)\n")


def test_an_answer_without_sources_is_not_passed_off_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    show_worth(
        msgspec.structs.replace(
            ASKED,
            outcome="uncited",
            citations=[],
            unknown=[7, 9],
            misquotes=["Tea is\ncold."],
            note="Searched by words alone.",
        )
    )
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "Warning: The answer names no source; nothing shows that the documents say this.",
        "Warning: It cites [7], [9]; there is no such source.",
        "Warning: It quotes what no source says: “Tea is cold.”",
        "Searched by words alone.",
        "(The model read 1 passage of tea.pdf.)",
    ]


def test_what_the_answer_is_made_from(capsys: pytest.CaptureFixture[str]) -> None:
    sources = [msgspec.structs.replace(PASSAGE, name=name) for name in "abbcde"]
    show_worth(msgspec.structs.replace(ASKED, citations=[], sources=sources))
    show_worth(msgspec.structs.replace(ASKED, citations=[], sources=sources[:2], given="whole"))
    show_worth(NOT_FOUND)
    assert capsys.readouterr().err.splitlines() == [
        "(The model read 6 passages of a, b, c and 2 more.)",
        "(The model read these documents whole: a, b.)",
        "(Nothing that fits was found, so no model was asked.)",
    ]


def test_a_document_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = _cited(name=EVIL, headings=[EVIL], quote=f"{EVIL}\r{EVIL}")
    show_worth(
        msgspec.structs.replace(
            ASKED,
            citations=[evil],
            sources=[msgspec.structs.replace(PASSAGE, name=EVIL)],
            misquotes=[EVIL],
            note=EVIL,
        )
    )
    shown = capsys.readouterr()
    assert shown.out == f"\n[1] {HARMLESS}, page 3, {HARMLESS}\n    “{HARMLESS} {HARMLESS}”\n"
    assert shown.err.count(HARMLESS) == 3
    assert not {"\x1b", "\x9b", "\x07"} & set(shown.err)
