import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from samovar_agent.documents.citations_quotes import Searchable, best_sentence, sentences


def found(text: str, quote: str) -> str | None:
    span = Searchable(text).find(quote)
    return text[slice(*span)] if span else None


@pytest.mark.parametrize(
    ("text", "quote", "expected"),
    [
        ("It took three weeks.", "took three weeks", "took three weeks"),
        ("It took\n  three weeks.", "It TOOK three weeks", "It took\n  three weeks"),
        ("A very exam-\nple of it.", "very example of", "very exam-\nple of"),
        ("He said “no way” to it.", 'said "no way" to', "said “no way” to"),
        ("It don’t matter much", "don't matter", "don’t matter"),
        ("one two three four five", "two … four five", "two three four five"),
        ("one two three four five", "two [...] four", "two three four"),
        ("one two three", "two … one", None),
        ("It took three weeks.", "took four weeks", None),
        ("It is illegal to do so.", "legal to do so", None),
        ("It is legal. Is it illegal?", "is legal", "is legal"),
        ("It cost 1.5 million.", "cost 15 million", None),
        ("It cost 1.5 million.", "5 million", None),
        ("It cost 15 million.", "5 million", None),
        ("It grew by 15 percent", "grew by 1", None),
        ("It fell to -5 degrees", "5 degrees", None),
        ("It fell to −5 degrees", "to -5 degrees", "to −5 degrees"),
        ("It costs $5 today", "costs $5 today", "costs $5 today"),
        ("It costs $5 today", "costs €5 today", None),
        ("It costs 5% more", "5% more", "5% more"),
        ("It costs 5 more", "5% more", None),
        ("See section 3.", "section 3", "section 3"),
        ("从前有一个国王住在城堡里。", "一个国王", "一个国王"),
        ("Die Straße ist naß.", "strasse ist nass", "Straße ist naß"),
        ("The ﬁne ﬂour", "fine flour", "ﬁne ﬂour"),
        ("anything", "…", None),
        ("anything", "", None),
        ("", "anything", None),
    ],
)
def test_find(text: str, quote: str, expected: str | None) -> None:
    assert found(text, quote) == expected


def test_accents_written_in_either_way() -> None:
    text = "La résumé était là"
    for left in ("NFC", "NFD"):
        for right in ("NFC", "NFD"):
            assert found(unicodedata.normalize(left, text), unicodedata.normalize(right, "résumé était")) is not None


@given(some.lists(some.text("abcäß1é", min_size=1, max_size=6), min_size=3, max_size=12), some.data())
def test_whole_words_of_a_text_are_found_with_any_spaces(words: list[str], data: some.DataObject) -> None:
    first = data.draw(some.integers(0, len(words) - 2))
    last = data.draw(some.integers(first + 1, len(words)))
    span = Searchable("\n ".join(words)).find("  ".join(words[first:last]))
    assert span is not None


@given(some.text(max_size=80), some.text(max_size=20))
def test_what_is_found_lies_in_the_text(text: str, quote: str) -> None:
    span = Searchable(text).find(quote)
    assert span is None or 0 <= span[0] < span[1] <= len(text)


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        ("One. Two! Three?", False, ["One.", "Two!", "Three?"]),
        ("One is 1.5 long. Two", False, ["One is 1.5 long.", "Two"]),
        ("One\ngoes on.\n\nTwo", False, ["One\ngoes on.", "Two"]),
        ("One\nTwo", True, ["One", "Two"]),
        ("一。二！三", False, ["一。", "二！", "三"]),
        ('He said "no." Then', False, ['He said "no."', "Then"]),
        ("", False, []),
        (" \n ", True, []),
    ],
)
def test_sentences(text: str, lines: bool, expected: list[str]) -> None:
    assert [text[slice(*span)].strip() for span in sentences(text, lines=lines)] == expected


TEXT = "The trial began in May. It took three weeks and cost 15 million euros. Nobody was convicted."


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("The trial lasted three weeks.", "It took three weeks and cost 15 million euros."),
        ("No one was ever convicted, nobody at all.", "Nobody was convicted."),
        ("The costs were 15 million euros", "It took three weeks and cost 15 million euros."),
        ("Bananas are yellow fruit.", None),
        ("", None),
    ],
)
def test_best_sentence(statement: str, expected: str | None) -> None:
    span = best_sentence(TEXT, statement)
    assert (TEXT[slice(*span)] if span else None) == expected


def test_of_a_long_table_one_line() -> None:
    table = "\n".join(f"city {number} | population {number * 1000}" for number in range(50))
    span = best_sentence(table, "City 7 has a population of 7000")
    assert span
    assert table[slice(*span)] == "city 7 | population 7000"


def test_a_heading_is_no_part_of_the_sentence_below_it() -> None:
    text = "# Lease\n## Term\nThe lease ends in February 2029. It is long.\n## Lease ends here"
    assert (
        text[slice(*(best_sentence(text, "The lease ends in February.") or (0, 0)))]
        == "The lease ends in February 2029."
    )
