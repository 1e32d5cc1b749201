"""Every kind of file on its whole way: through the process that reads it, into chunks that know where they stand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.indexing import cut
from samovar_agent.store.contents import NewChunk
from samovar_protocol.media_types import MEDIA_TYPES
from tests.samovar_agent.documents.extraction import samples
from tests.samovar_agent.documents.extraction.conftest import Write

Expected = tuple[str, str, int | None, str]
"""The beginning of the media type; then what a chunk says, and its page and headings."""

_LINES = [(11, f"Soft water makes the better tea, said line {number} of many.") for number in range(12)]
_MARKDOWN = b"# Leaves\n\nGreen tea is not roasted.\n\n## Water\n\nNot too hot.\n"
_WEB = (
    b"<!doctype html><title>Tea</title><h1>Leaves</h1><p>Green tea is not roasted.</p><h2>Water</h2><p>Not too hot.</p>"
)
_CODE = b'def brew(minutes: int) -> None:\n    """Wait."""\n    sleep(minutes * 60)\n'


class Characters:
    """Cuts into chunks so small that each is of one section."""

    recipe = "characters"
    target = 40

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "tea.pdf",
            samples.pdf([[(24, "Leaves"), *[(11, "Green tea is not roasted.")] * 9], [(24, "Water"), *_LINES]]),
            ("application/pdf", "line 11 of many", 2, "Water"),
        ),
        ("tea.docx", samples.docx(), ("application/vnd.openxml", "| green | 75 |", None, "Leaves › Water")),
        ("tea.pptx", samples.pptx(), ("application/vnd.openxml", "What slide 3 says.", 3, "Water")),
        ("tea.xlsx", samples.xlsx(), ("application/vnd.openxml", "| black | 17 |", 2, "Stock")),
        ("tea.odt", samples.odt(), ("application/vnd.oasis", "Green tea is not roasted.", None, "Leaves")),
        ("tea.epub", samples.epub(), ("application/epub+zip", "Not too hot.", None, "Water")),
        ("tea.html", _WEB, ("text/html", "Not too hot.", None, "Leaves › Water")),
        ("tea.md", _MARKDOWN, ("text/markdown", "Not too hot.", None, "Leaves › Water")),
        ("tea.txt", b"Green tea is not roasted.\n", ("text/plain", "Green tea is not roasted.", None, "")),
        ("tea.csv", b"kind,degrees\ngreen,75\n", ("text/csv", "green,75", None, "")),
        ("tea.tsv", b"kind\tdegrees\ngreen\t75\n", ("text/tab-separated-values", "green\t75", None, "")),
        ("tea.json", b'{"green": {"degrees": 75}}', ("application/json", '"degrees": 75', None, "")),
        ("tea.rtf", samples.rtf(), ("application/rtf", "Not too hot: 75°.", None, "")),
        ("tea.eml", samples.eml(), ("message/rfc822", "and Jörg.", None, "")),
        ("tea.msg", samples.msg(), ("application/vnd.ms-outlook", "Bring the samovar.", None, "")),
        ("tea.ipynb", samples.notebook(), ("application/x-ipynb+json", "print(minutes)", None, "Brewing")),
        ("brew.py", _CODE, ("text/x-python", "    sleep(minutes * 60)", None, "")),
        ("brew.rs", b"fn brew() { wait(3) }\n", ("text/plain", "fn brew() { wait(3) }", None, "")),
    ],
)
async def test_text_arrives_with_its_places(
    extractor: Extractor, write: Write, name: str, content: bytes, expected: Expected
) -> None:
    extracted = await extractor.extract(write(name, content))
    media_type, words, page, headings = expected
    assert extracted.problem is None
    assert extracted.media_type.startswith(media_type)
    # What a search is filtered by, where the ending is known to it.
    ending = name.rpartition(".")[2]
    assert extracted.media_type == MEDIA_TYPES.get(ending, extracted.media_type)
    found = [chunk for chunk in await _chunks(extracted) if words in chunk.text]
    assert [(chunk.page, chunk.heading) for chunk in found] == [(page, headings)]


async def _chunks(extracted: Extracted) -> list[NewChunk]:
    chunks = await cut(extracted, Characters())
    for chunk in chunks:
        assert extracted.text[chunk.start : chunk.end] == chunk.text
    assert "".join(_visible(chunks)) == "".join(extracted.text.split()), "nothing is lost between them"
    return chunks


def _visible(chunks: Sequence[NewChunk]) -> list[str]:
    """Without white space, and without what a chunk repeats of the one before."""
    texts, end = [], 0
    for chunk in chunks:
        texts.append("".join(chunk.text[max(0, end - chunk.start) :].split()))
        end = chunk.end
    return texts
