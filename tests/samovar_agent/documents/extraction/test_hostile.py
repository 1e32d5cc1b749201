"""Files made to hurt the reader: each ends with a reason, in time, and the next file is read."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.engine.machine import resident_bytes
from tests.samovar_agent.documents.extraction import samples
from tests.samovar_agent.documents.extraction.compound import compound
from tests.samovar_agent.documents.extraction.conftest import Write


async def _reason(extractor: Extractor, path: Path) -> str:
    extracted = await extractor.extract(path)
    return extracted.problem.reason if extracted.problem else ""


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("deep.html", b"<div>" * 200_000 + b"tea", "too_deep"),
        ("deep.ipynb", b'{"cells":' + b"[" * 200_000, "too_deep"),
        ("deep.docx", samples.docx(body="<w:tbl><w:tr><w:tc>" * 20_000), "too_deep"),
        ("deep.rtf", b"{\\rtf1" + b"{" * 200_000 + b"tea", ""),
        (
            "deep.odt",
            samples.package({"content.xml": "<a>" * 100_000}, "application/vnd.oasis.opendocument.text"),
            "too_deep",
        ),
    ],
)
async def test_deep_nesting(extractor: Extractor, write: Write, name: str, content: bytes, expected: str) -> None:
    reason = await _reason(extractor, write(name, content))
    assert reason == expected
    assert await _reason(extractor, write("next.txt", b"tea")) == ""


async def test_a_package_that_lies_about_its_size(extractor: Extractor, tmp_path: Path) -> None:
    path = tmp_path / "liar.docx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as part,
    ):
        part.write(
            b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>'
        )
        for _ in range(256):
            part.write(b"a" * 1024 * 1024)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, directory + 24, 1000)
    path.write_bytes(content)
    assert await _reason(extractor, path) in {"damaged", "out_of_memory", "too_large", "too_slow"}
    assert await _reason(extractor, Path(__file__)) == ""


async def test_entities_do_not_grow(extractor: Extractor, write: Write) -> None:
    entities = '<!ENTITY e0 "tea">' + "".join(
        f'<!ENTITY e{number} "{f"&e{number - 1};" * 10}">' for number in range(1, 12)
    )
    content = samples.package(
        {
            "content.xml": (
                f"<!DOCTYPE x [{entities}]><office:document-content "
                'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
                'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>'
                "<text:p>&e11;</text:p></office:text></office:body></office:document-content>"
            )
        },
        "application/vnd.oasis.opendocument.text",
    )
    extracted = await extractor.extract(write("laughs.odt", content))
    assert len(extracted.text) < 1000
    assert await _reason(extractor, Path(__file__)) == ""


def _levels_of_mail(kind: str, count: int) -> bytes:
    message = b"Content-Type: text/plain\n\ntea at four\n"
    for level in range(count):
        if kind == "forwarded":
            message = b"Subject: %d\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" % level + message
        else:
            head = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
            message = head + message + b"\n--b%d--\n" % level
    return b"Subject: tea\n" + message


def _zip_in_zip(levels: int) -> bytes:
    content = b"tea"
    for level in range(levels):
        content = samples.package({f"{level}.zip": content})
    return content


def _with_passwords(package: bytes) -> bytes:
    """With the mark of an encrypted part at every part."""
    content = bytearray(package)
    for head, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(head)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(head, at + 1)
    return bytes(content)


def _bomb(part: str, mimetype: str = "", parts: dict[str, str] | None = None) -> bytes:
    """Of 40 kB, and 32 MB unpacked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**({"mimetype": mimetype} if mimetype else {}), **(parts or {})}.items():
            archive.writestr(name, content)
        with archive.open(part, "w") as large:
            for _ in range(32):
                large.write(b"a" * 1024 * 1024)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reasons"),
    [
        ("deep.json", b"[" * 2_000_000, {""}),
        ("closed.html", b"<div>" * 50_000 + b"tea" + b"</div>" * 50_000, {"too_deep"}),
        ("tables.html", b"<table><tr><td>" * 20_000 + b"tea", {"", "too_deep", "out_of_memory"}),
        ("heads.html", b"<!doctype html>" + b"<head><!--" * 200_000, {"empty", "too_deep"}),
        ("quoted.md", b"> " * 100_000 + b"tea", {""}),
        ("forwarded.eml", _levels_of_mail("forwarded", 300), {"", "too_deep"}),
        ("parts.eml", _levels_of_mail("parts", 400), {"", "too_deep"}),
        ("zips.zip", _zip_in_zip(30), {"unsupported"}),
        ("zips.docx", samples.package({"word/document.xml": "<a/>", "word/a.zip": _zip_in_zip(30)}), {"empty"}),
        ("deep.xlsx", samples.package({"xl/workbook.xml": "<a>" * 100_000}), {"too_deep"}),
        (
            "deep.pptx",
            samples.package({"ppt/presentation.xml": "<a/>", "ppt/slides/slide1.xml": "<a>" * 100_000}),
            {"too_deep"},
        ),
        (
            "deep.epub",
            samples.package({"META-INF/container.xml": "<a>" * 100_000}, "application/epub+zip"),
            {"too_deep"},
        ),
        ("bomb.xlsx", _bomb("xl/sharedStrings.xml", parts={"xl/workbook.xml": "<workbook/>"}), {"too_large"}),
        ("bomb.epub", _bomb("one.xhtml", "application/epub+zip"), {"too_large"}),
        ("bomb.odt", _bomb("content.xml", "application/vnd.oasis.opendocument.text"), {"too_large"}),
        ("secret.zip", _with_passwords(samples.package({"one.txt": "tea"})), {"encrypted"}),
        ("secret.epub", _with_passwords(samples.epub()), {"encrypted"}),
        ("secret.docx", _with_passwords(samples.docx()), {"encrypted"}),
        ("secret.xlsx", compound({"EncryptedPackage": b"\x17" * 5000, "EncryptionInfo": bytes(5000)}), {"encrypted"}),
        ("program.docx", b"MZ\x90\0\x03\0\0\0" + bytes(range(256)) * 40, {"mislabelled"}),
        ("program.txt", b"MZ\x90\0\x03\0\0\0" + bytes(range(256)) * 40, {"unsupported"}),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), {"unsupported"}),
        ("page.docx", samples.html(), {"mislabelled"}),
        ("words.eml", b"just words and no header at all\n" * 3, {"damaged"}),
        ("words.ipynb", b"no JSON at all", {"damaged"}),
        ("cut.msg", samples.msg()[:4000], {"damaged"}),
        ("cut.html", samples.html()[:30], {"empty"}),
        ("cut.ipynb", samples.notebook()[:200], {"damaged"}),
        ("scan.pdf", samples.pdf([[], []]), {"no_text"}),
        *((f"empty.{kind}", b"", {"empty"}) for kind in ("pdf", "docx", "html", "eml", "msg", "json", "py")),
    ],
)
async def test_it_ends_with_a_reason_and_the_next_file_is_read(
    extractor: Extractor, write: Write, name: str, content: bytes, reasons: set[str]
) -> None:
    extracted = await extractor.extract(write(name, content))
    assert (extracted.problem.reason if extracted.problem else "") in reasons
    assert extracted.problem is not None or extracted.text
    assert await _reason(extractor, write("next.txt", b"tea")) == ""


async def test_a_name_does_not_hide_a_document(extractor: Extractor, write: Write) -> None:
    for name, content in (
        ("pdf.txt", samples.pdf([[(11, "Green tea is not roasted and wants water that boils no more.")]])),
        ("docx.txt", samples.docx()),
        ("two\nlines.docx", samples.docx()),
        ("two\nlines.txt", b"Green tea is not roasted."),
    ):
        extracted = await extractor.extract(write(name, content))
        assert extracted.problem is None
        assert "Green tea is not roasted" in extracted.text
        assert "\n" not in extracted.title


@pytest.mark.parametrize("name", ["a.log", "a.pdf", "a.docx"])
async def test_500_mb_are_not_read(tmp_path: Path, extractor: Extractor, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b"%PDF-1.4\n" if name == "a.pdf" else b"")
        file.truncate(500 * 1024 * 1024)
    extracted = await extractor.extract(path)
    assert extracted.problem is not None
    assert extracted.problem.reason == "too_large"
    assert extractor.pid is not None
    assert resident_bytes(extractor.pid) < 256 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("a.txt", "Grüner Tee ist nicht geröstet, schöner schwarzer schon.", "latin-1"),
        ("a.md", "# Über Tee\n\nGrüner Tee ist nicht geröstet.", "latin-1"),
        ("a.txt", "Grüner Tee ist nicht geröstet.", "utf-16"),
        ("a.txt", "Grüner Tee ist nicht geröstet.", "utf-16-le"),
        ("a.txt", "緑茶は焙煎されていません。", "shift-jis"),
        ("a.csv", "お茶,温度\n緑茶,七十五\nほうじ茶,九十", "shift-jis"),
        ("a.txt", "緑茶は焙煎されていません。お湯は沸騰させないでください。", "euc-jp"),
    ],
)
async def test_text_that_is_not_utf8(extractor: Extractor, write: Write, name: str, text: str, encoding: str) -> None:
    extracted = await extractor.extract(write(name, text.encode(encoding)))
    assert extracted.problem is None
    assert extracted.text == text
