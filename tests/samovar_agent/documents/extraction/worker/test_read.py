"""Every kind of file: its text, and where its headings and pages begin."""

import os
from pathlib import Path

import msgspec
import pytest

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.worker.read import read_file
from tests.samovar_agent.documents.extraction import samples
from tests.samovar_agent.documents.extraction.conftest import Write


def _read(path: Path, limits: Limits | None = None) -> Extracted:
    extracted = read_file(os.fsencode(path), limits or Limits())
    text = extracted.text
    for heading in extracted.headings:
        assert text[heading.start :].split("\n")[0].strip("# ") == heading.text
    starts = [heading.start for heading in extracted.headings]
    assert starts == sorted(starts)
    end = 0
    for page in extracted.pages:
        assert end <= page.start < page.end <= len(text)
        end = page.end
    assert not any(mark in text for mark in ("\ue000", "\0", "\r"))
    return extracted


def _sound(path: Path) -> Extracted:
    extracted = _read(path)
    assert extracted.problem is None
    return extracted


def _headings(extracted: Extracted) -> list[tuple[int, str]]:
    return [(heading.level, heading.text) for heading in extracted.headings]


def _pages(extracted: Extracted) -> dict[int | None, str]:
    return {page.number: extracted.text[page.start : page.end] for page in extracted.pages}


def test_pdf(write: Write) -> None:
    body = "Green tea is not roasted and wants water that does not boil any more."
    pages = [
        [(24, "Leaves"), *[(11, f"{body} Line {number}.") for number in range(12)]],
        [
            (24, "Water"),
            *[(11, f"Soft water makes the better tea, said line {number} of many.") for number in range(12)],
        ],
    ]
    extracted = _sound(write("tea.pdf", samples.pdf(pages, title="On tea")))
    assert extracted.media_type == "application/pdf"
    assert extracted.title == "On tea"
    assert [text for _, text in _headings(extracted)] == ["Leaves", "Water"]
    found = _pages(extracted)
    assert list(found) == [1, 2]
    assert "Line 11" in found[1]
    assert "Soft water" not in found[1]
    assert "Soft water" in found[2]


def test_docx(write: Write) -> None:
    extracted = _sound(write("tea.docx", samples.docx()))
    assert extracted.title == "On tea"
    assert extracted.media_type.endswith("wordprocessingml.document")
    assert _headings(extracted) == [(1, "Leaves"), (2, "Water")]
    assert extracted.text == "Leaves\n\nGreen tea is not roasted.\n\nWater\n\n| kind | degrees |\n| green | 75 |"


def test_pptx(write: Write) -> None:
    extracted = _sound(write("tea.pptx", samples.pptx()))
    assert [text for _, text in _headings(extracted)] == ["Kinds of tea", "What slide 2 says.", "Water"]
    assert _pages(extracted) == {
        1: "Kinds of tea\n\nWhat slide 1 says.",
        2: "What slide 2 says.",
        3: "Water\n\nWhat slide 3 says.",
    }


def test_xlsx(write: Write) -> None:
    extracted = _sound(write("tea.xlsx", samples.xlsx()))
    assert _headings(extracted) == [(1, "Prices"), (1, "Stock")]
    assert _pages(extracted) == {
        1: "Prices\n\n| tea | euro |\n| green | 4.20 |",
        2: "Stock\n\n| tea | bags |\n| black | 17 |",
    }


def test_odt(write: Write) -> None:
    extracted = _sound(write("tea.odt", samples.odt()))
    assert _headings(extracted) == [(1, "Leaves")]
    assert extracted.text == "Leaves\n\nGreen tea is not roasted."


def test_epub(write: Write) -> None:
    extracted = _sound(write("tea.epub", samples.epub()))
    assert extracted.title == "The book of tea"
    assert extracted.language == "en"
    assert {text for _, text in _headings(extracted)} == {"Leaves", "Water"}
    assert extracted.text.index("not roasted") < extracted.text.index("Not too hot")


def test_rtf(write: Write) -> None:
    extracted = _sound(write("tea.rtf", samples.rtf()))
    assert "Green tea is not roasted." in extracted.text
    assert "75°" in extracted.text


@pytest.mark.parametrize("kind", ["eml", "msg"])
def test_messages(write: Write, kind: str) -> None:
    extracted = _sound(write(f"tea.{kind}", samples.eml() if kind == "eml" else samples.msg()))
    assert extracted.title.strip() == "Tea at four"
    assert "Bring the samovar" in extracted.text
    if kind == "eml":
        assert "From: ann@example.org" in extracted.text
        assert "Jörg" in extracted.text


def test_notebook(write: Write) -> None:
    extracted = _sound(write("tea.ipynb", samples.notebook()))
    assert _headings(extracted) == [(1, "Brewing")]
    assert "How long tea takes." in extracted.text
    assert "print(minutes)" in extracted.text
    assert "3 minutes" in extracted.text


def test_html(write: Write) -> None:
    extracted = _sound(write("tee.html", samples.html()))
    assert extracted.title == "Über Tee"
    assert extracted.language == "de"
    assert _headings(extracted) == [(1, "Blätter"), (2, "Wasser")]
    assert "Grüner Tee ist nicht geröstet, schöner schwarzer schon." in extracted.text
    assert "- heiß\n- weich" in extracted.text
    assert "| grün | 75 |" in extracted.text
    assert "never" not in extracted.text


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.txt", "text/plain"),
        ("Makefile", "text/plain"),
        ("a.py", "text/x-python"),
        ("a.rs", "text/plain"),
        ("a.csv", "text/csv"),
        ("a.tsv", "text/tab-separated-values"),
        ("a.log", "text/plain"),
    ],
)
def test_texts_stay_as_they_are(write: Write, name: str, media_type: str) -> None:
    text = "first;line\n\tsecond, line\n\n\n    # third\n"
    extracted = _sound(write(name, text.encode()))
    assert (extracted.text, extracted.media_type, extracted.title) == (text, media_type, name)
    assert not extracted.headings
    assert not extracted.pages


def test_markdown(write: Write) -> None:
    extracted = _sound(write("a.md", b"# Tea *green*\n\ntext\n\n## Water\n"))
    assert extracted.title == "Tea *green*"
    assert _headings(extracted) == [(1, "Tea *green*"), (2, "Water")]


def test_json_on_one_line_gets_lines(write: Write) -> None:
    value = {"teas": [{"name": f"tea {number}", "degrees": number} for number in range(200)]}
    extracted = _sound(write("a.json", msgspec.json.encode(value)))
    assert msgspec.json.decode(extracted.text) == value
    assert max(map(len, extracted.text.split("\n"))) < 40
    short = _sound(write("b.json", b'{"a":1}'))
    assert short.text == '{"a":1}'
    broken = b'{"a": ' * 5000
    assert _sound(write("c.json", broken)).text == broken.decode()


def test_the_content_decides_what_a_file_is(write: Write) -> None:
    assert _sound(write("about.py", b"'%PDF-'  # how a PDF begins")).media_type == "text/x-python"
    assert _sound(write("junk.pdf", b"junk\n" + samples.pdf([[(11, "tea")]]))).media_type == "application/pdf"
    assert _sound(write("tea.pdf", samples.docx())).title == "On tea"
    assert _sound(write("tea", samples.odt())).text.startswith("Leaves")
    assert _sound(write("page", b"<!DOCTYPE html><title>Tea</title><p>Green.")).media_type == "text/html"


def test_names_that_are_no_text_or_have_several_lines(tmp_path: Path) -> None:
    for name, title in ((b"two\nlines.txt", "two lines.txt"), (b"caf\xe9.txt", "caf\ufffd.txt")):
        path = os.path.join(os.fsencode(tmp_path), name)
        with open(path, "wb") as file:
            file.write(b"tea")
        extracted = read_file(path, Limits())
        assert (extracted.title, extracted.text, extracted.problem) == (title, "tea", None)
