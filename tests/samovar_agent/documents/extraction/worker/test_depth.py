import io
import zipfile

import pytest

from samovar_agent.documents.extraction.worker.depth import DEEPEST, refuse_deep
from samovar_agent.documents.extraction.worker.kind import Format
from samovar_agent.documents.extraction.worker.refusal import RefusedError
from tests.samovar_agent.documents.extraction import samples

FORM = Format("EPUB book", "application/epub+zip", "document")


def nested(levels: int, *, before: str = "") -> str:
    begin, end = '<a b=">">' * (levels - 1), "</a>" * (levels - 1)
    return f"<r>{before}{begin}deep{end}</r>"


def is_refused(content: bytes) -> bool:
    try:
        refuse_deep(content, FORM)
    except RefusedError as refused:
        assert refused.problem.reason == "too_deep"
        assert "EPUB book" in refused.problem.message
        return True
    return False


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_deepest_that_is_read(encoding: str) -> None:
    for levels, refused in ((DEEPEST, False), (DEEPEST + 1, True)):
        head = f'<?xml version="1.0" encoding="{encoding}"?>'
        assert is_refused(samples.package({"one.xhtml": (head + nested(levels)).encode(encoding)})) is refused


def test_many_elements_are_not_deep() -> None:
    many = "<p>tea</p><br/><!-- <a> --><![CDATA[<a><a>]]>" * 50_000
    assert not is_refused(samples.package({"one.xhtml": f"<r>{many}</r>"}))
    assert is_refused(samples.package({"one.xhtml": nested(DEEPEST + 1, before=many)}))


def test_any_part_of_it() -> None:
    deep = nested(DEEPEST + 1)
    assert is_refused(samples.package({"a.xml": "<a/>", "b/_rels/c.xml.rels": deep}))
    assert not is_refused(samples.package({"picture.png": deep}))


def test_text_without_an_end() -> None:
    assert not is_refused(samples.package({"one.xml": "<r>" + "a" * 5_000_000}))
    assert not is_refused(samples.package({"one.xml": "a" * 5_000_000 + "<" * 100_000}))


def test_what_is_no_package_is_left_to_others() -> None:
    assert not is_refused(b"PK\x03\x04 and no more")
    content = bytearray(samples.package({"one.xml": nested(10)}))
    content[40] ^= 0xFF
    assert not is_refused(bytes(content))


@pytest.mark.parametrize(
    "content", [samples.docx(), samples.pptx(), samples.xlsx(), samples.odt(), samples.epub()], ids=range(5)
)
def test_ordinary_documents(content: bytes) -> None:
    assert zipfile.is_zipfile(io.BytesIO(content))
    assert not is_refused(content)
