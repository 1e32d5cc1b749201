"""Headings in Markdown, where they are and where they only seem to be."""

from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.documents.extraction.worker.markdown import headings_of


def _found(text: str) -> list[tuple[int, str]]:
    return [(heading.level, heading.text) for heading in headings_of(text)]


def test_both_kinds() -> None:
    text = "# Tea\n\nLeaves.\n\nWater\n=====\n\nSoft\n---\n\n### Heat ###\n###### Six\n  ## Indented\n"
    assert _found(text) == [(1, "Tea"), (1, "Water"), (2, "Soft"), (3, "Heat"), (6, "Six"), (2, "Indented")]
    for heading in headings_of(text):
        assert heading.text in text[heading.start :].split("\n")[0]


def test_what_only_looks_like_one() -> None:
    assert _found("#hashtag\n####### seven\n    # indented code\n\t# so too\n#\n") == []
    assert _found("```sh\n# comment\n```\n# Real\n~~~~\n# no\n~~~\n# no\n~~~~\n# Last\n") == [(1, "Real"), (1, "Last")]
    assert _found("text\n\n---\n\n- item\n---\n| a | b |\n|---|---|\n") == []
    assert _found("---\ntitle: Tea\n# comment\n---\n# Real\n") == [(1, "Real")]
    assert _found("C#\n") == []
    assert _found("# C#\n# A # b ##\n") == [(1, "C#"), (1, "A # b")]


@given(st.text(alphabet="#=- `~\n\tab|>", max_size=80))
def test_a_heading_stands_where_it_says(text: str) -> None:
    starts = [heading.start for heading in headings_of(text)]
    assert starts == sorted(set(starts))
    for heading in headings_of(text):
        assert heading.text in text[heading.start :].split("\n")[0]
