"""Files that cannot be read say why, in a sentence for their owner."""

import os
import zipfile
from pathlib import Path

import pytest

from samovar_agent.documents.extracted import Problem
from samovar_agent.documents.extraction.limits import Limits
from samovar_agent.documents.extraction.worker.read import read_file
from tests.samovar_agent.documents.extraction import samples
from tests.samovar_agent.documents.extraction.compound import compound
from tests.samovar_agent.documents.extraction.conftest import Write

_TEXT = [(11, "Green tea is not roasted and wants water that does not boil any more.")]


def _problem(path: Path, limits: Limits | None = None) -> Problem:
    extracted = read_file(os.fsencode(path), limits or Limits())
    assert not extracted.text
    assert extracted.title == path.name
    assert extracted.problem is not None
    assert extracted.problem.message.endswith(".")
    return extracted.problem


def test_empty(write: Write) -> None:
    assert _problem(write("a.txt", b"")).reason == "empty"
    assert _problem(write("a.pdf", b"")).reason == "empty"
    assert _problem(write("b.txt", b" \r\n\t\n")).reason == "empty"
    assert _problem(write("a.docx", samples.docx(body="<w:p/>"))).reason == "empty"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", samples.pdf([_TEXT], encrypted=True)),
        ("a.odt", samples.odt(encrypted=True)),
        ("a.docx", compound({"EncryptedPackage": b"\x17" * 5000, "EncryptionInfo": bytes(5000)})),
        ("a.epub", samples.package({"META-INF/rights.xml": "<rights/>"}, "application/epub+zip")),
    ],
)
def test_encrypted(write: Write, name: str, content: bytes) -> None:
    problem = _problem(write(name, content))
    assert problem.reason == "encrypted"
    assert "password" in problem.hint


def test_a_scanned_pdf_says_so(write: Write) -> None:
    problem = _problem(write("scan.pdf", samples.pdf([[], []])))
    assert problem.reason == "no_text"
    assert "2 pages" in problem.message
    assert "OCR" in problem.hint


def test_a_pdf_that_is_mostly_scanned_says_so_and_gives_what_it_has(write: Write) -> None:
    extracted = read_file(os.fsencode(write("scan.pdf", samples.pdf([_TEXT, [], []]))), Limits())
    assert "Green tea" in extracted.text
    assert extracted.problem is not None
    assert extracted.problem.reason == "no_text"
    assert "2 of its 3 pages" in extracted.problem.message


@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx", "odt", "epub"])
def test_cut_off(write: Write, kind: str) -> None:
    content: bytes = getattr(samples, kind)()
    assert _problem(write(f"a.{kind}", content[: len(content) * 2 // 3])).reason == "damaged"


def test_a_pdf_that_is_cut_off_gives_its_text_or_says_that_it_is_damaged(write: Write) -> None:
    content = samples.pdf([_TEXT])
    for length in (20, 200, len(content) * 2 // 3, len(content) - 30):
        extracted = read_file(os.fsencode(write("a.pdf", content[:length])), Limits())
        assert "Green tea" in extracted.text or (
            extracted.problem is not None and extracted.problem.reason in ("damaged", "no_text")
        )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", b"This is no PDF but a note.\n"),
        ("a.docx", b"Neither is this.\n"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("a.xlsx", bytes(range(256)) * 10),
    ],
)
def test_mislabelled(write: Write, name: str, content: bytes) -> None:
    assert _problem(write(name, content)).reason == "mislabelled"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
        ("a.zip", samples.package({"one.txt": "tea"}), "ZIP"),
        ("a.bin", bytes(range(256)) * 10, "neither text"),
        ("a.mdb", compound({"Something else": bytes(5000)}), "old Microsoft file"),
        ("zeros", bytes(100_000), "neither text"),
    ],
)
def test_unsupported(write: Write, name: str, content: bytes, words: str) -> None:
    problem = _problem(write(name, content))
    assert problem.reason == "unsupported"
    assert words in problem.message


def test_a_file_of_500_mb_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(500 * 1024 * 1024)
    problem = _problem(path)
    assert problem.reason == "too_large"
    assert "500 MB" in problem.message
    assert "256 MB" in problem.message


def test_too_much_text(write: Write) -> None:
    limits = Limits(text_bytes=1000)
    for content in (b"tea " * 300, b"tea " * 3000, "чай ".encode() * 150):
        assert _problem(write("a.txt", content), limits).reason == "too_large"
    assert read_file(os.fsencode(write("b.txt", "чай ".encode() * 140)), limits).problem is None


def test_a_zip_bomb_is_not_unpacked(write: Write, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.docx"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as part,
    ):
        for _ in range(64):
            part.write(bytes(1024 * 1024))
    assert bomb.stat().st_size < 100_000
    problem = _problem(bomb)
    assert problem.reason == "too_large"
    assert "unpacks to 64 MB" in problem.message


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    for name in ("pipe.txt", "folder.txt", "loop.txt", "gone.txt"):
        assert _problem(tmp_path / name).reason == "unreadable"
