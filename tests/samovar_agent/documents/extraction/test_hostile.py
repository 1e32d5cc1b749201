"""Files made to hurt the reader: each ends with a reason, in time, and the next file is read."""

import struct
import zipfile
from pathlib import Path

import pytest

from samovar_agent.documents.extraction.extractor import Extractor
from tests.samovar_agent.documents.extraction import samples
from tests.samovar_agent.documents.extraction.conftest import Write


async def _reason(extractor: Extractor, path: Path) -> str:
    extracted = await extractor.extract(path)
    return extracted.problem.reason if extracted.problem else ""


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("deep.html", b"<div>" * 200_000 + b"tea", "too_deep"),
        ("deep.ipynb", b'{"cells":' + b"[" * 200_000, "too_deep"),
        ("deep.docx", samples.docx(body="<w:tbl><w:tr><w:tc>" * 20_000), "damaged"),
        ("deep.rtf", b"{\\rtf1" + b"{" * 200_000 + b"tea", ""),
        (
            "deep.odt",
            samples.package({"content.xml": "<a>" * 100_000}, "application/vnd.oasis.opendocument.text"),
            "crashed",
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
