import pytest

from samovar_agent.documents.answering_sources import Given, Passage, chosen
from samovar_agent.documents.citations import NOT_FOUND, Checked, check, without_markers

TEXTS = [
    "The trial began in May 2021. It took three weeks and cost 15 million euros.",
    "Witnesses were heard in June. Nobody was convicted, as the court wrote [7] in its last paragraph.",
    "Unrelated words about gardening and roses.",
]


def sources() -> Given:
    passages = [
        Passage(document=10 + n, name=f"{n}.pdf", text=text, start=100, end=100 + len(text), page=n)
        for n, text in enumerate(TEXTS, 1)
    ]
    return chosen(passages, 10**6, lambda texts: [len(text) for text in texts])


def checked(reply: str, question: str = "") -> Checked:
    return check(reply, sources(), question=question)


def numbers(reply: str) -> list[int]:
    return [citation.number for citation in checked(reply).citations]


class TestMarkers:
    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            ("It took three weeks [1].", [1]),
            ("It took three weeks[1].", [1]),
            ("It took three weeks. [1]", [1]),
            ("Both [1][2].", [1, 2]),
            ("Both [1, 2].", [1, 2]),
            ("Both [1; 3].", [1, 3]),
            ("All [1-3].", [1, 2, 3]),
            ("All [1–3].", [1, 2, 3]),
            ("It [source 1] and [Sources 2, 3].", [1, 2, 3]),
            ("It [^2].", [2]),
            ("It 【2】 and 【3†lines】.", [2, 3]),
            ("Twice [1]. And [1].", [1, 1]),
            ("In 2021 [2021].", []),
            ("A list [a], a [ ] box, [see 1].", []),
            ("Code `x[1]` and\n```\ny[2]\n```\nand [3].", [3]),
            ("Not closed:\n```\ny[2]", []),
            ("", []),
        ],
    )
    def test_numbers(self, reply: str, expected: list[int]) -> None:
        assert numbers(reply) == expected

    def test_numbers_that_no_source_has(self) -> None:
        found = checked("It took three weeks [1][9], or [0], or [2-900].")
        assert [citation.number for citation in found.citations] == [1, 2]
        assert found.unknown == [0, 9, 900]

    def test_where_it_is_in_the_reply(self) -> None:
        reply = "It took three weeks [1]."
        (citation,) = checked(reply).citations
        assert reply[citation.at : citation.until] == "[1]"

    def test_a_number_within_a_quote_is_the_documents_own(self) -> None:
        reply = 'The court: "as the court wrote [7] in its last paragraph" [2].'
        found = checked(reply)
        assert [citation.number for citation in found.citations] == [2]
        assert found.unknown == []
        assert found.misquotes == []

    def test_a_number_within_a_quote_may_be_ours_all_the_same(self) -> None:
        found = checked('It says "It took three weeks [1]."')
        assert [citation.quote for citation in found.citations] == ["It took three weeks"]
        assert found.misquotes == []


class TestQuotes:
    def test_a_quote_has_its_place_in_the_document(self) -> None:
        (citation,) = checked('It "took  three weeks" [1].').citations
        assert citation.quote == TEXTS[0][citation.start - 100 : citation.end - 100] == "took three weeks"
        assert (citation.document, citation.name, citation.page) == (11, "1.pdf", 1)

    @pytest.mark.parametrize("marks", ['""', "“”", "„“", "„”", "«»", "»«", "「」"])
    def test_quotation_marks_of_many_languages(self, marks: str) -> None:
        (citation,) = checked(f"It {marks[0]}took three weeks and cost{marks[1]} much [1].").citations
        assert citation.quote == "took three weeks and cost"
        assert citation.verbatim

    def test_without_a_quote_the_sentence_that_says_it(self) -> None:
        (citation,) = checked("The whole thing took three weeks [1].").citations
        assert citation.quote == "It took three weeks and cost 15 million euros."
        assert TEXTS[0][citation.start - 100 : citation.end - 100] == citation.quote
        assert not citation.verbatim

    def test_a_source_that_does_not_say_it_is_cited_as_a_whole(self) -> None:
        (citation,) = checked("The whole thing took three weeks [3].").citations
        assert citation.quote is None
        assert (citation.start, citation.end) == (100, 100 + len(TEXTS[2]))

    def test_what_no_source_says(self) -> None:
        found = checked('It "took four long weeks" [1], and "Nobody was convicted" [2].')
        assert found.misquotes == ["took four long weeks"]

    def test_what_the_question_says_needs_no_source(self) -> None:
        found = checked('About "whatever it may be" they say nothing.', question="What about whatever it may be?")
        assert found.misquotes == []

    def test_words_in_quotation_marks_are_no_quotes(self) -> None:
        assert checked('The "trial" was long [1].').misquotes == []

    @pytest.mark.parametrize(
        ("reply", "quotes"),
        [
            (
                "The trial began in May 2021 [1]. Nobody was convicted [2].",
                ["The trial began in May 2021.", TEXTS[1].partition(". ")[2]],
            ),
            ("The trial began in May 2021. [1] Nobody was convicted. [2]", None),
            ("- The trial began in May 2021 [1]\n- Nobody was convicted [2]", None),
            ("[1] says the trial began in May 2021.\n[2] says nobody was convicted.", None),
        ],
    )
    def test_each_number_belongs_to_its_own_statement(self, reply: str, quotes: list[str] | None) -> None:
        first, second = checked(reply).citations
        assert first.quote == "The trial began in May 2021."
        assert second.quote == TEXTS[1].partition(". ")[2]


class TestOutcome:
    @pytest.mark.parametrize(
        "reply",
        [
            NOT_FOUND,
            "not in these documents",
            f"**{NOT_FOUND}**",
            f"{NOT_FOUND} [1]",
            f"Leider: {NOT_FOUND}",
            "The documents do not mention any roses.",
            "The provided sources don't contain information about this.",
            "There is no information about it in the provided documents.",
            "This is not mentioned in the text.",
        ],
    )
    def test_not_found(self, reply: str) -> None:
        found = checked(reply)
        assert found.outcome == "not_found"
        assert found.citations == []

    @pytest.mark.parametrize(
        "reply",
        [
            "It took three weeks [1].",
            f"It took three weeks [1]. Who paid: {NOT_FOUND}",
            "The documents do not mention a verdict, but nobody was convicted [2].",
        ],
    )
    def test_answered(self, reply: str) -> None:
        assert checked(reply).outcome == "answered"

    @pytest.mark.parametrize("reply", ["It took four weeks.", "It took four weeks [9].", "Paris is in France.", ""])
    def test_uncited(self, reply: str) -> None:
        assert checked(reply).outcome == "uncited"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It took three weeks [1].", "It took three weeks."),
        ("Both [1][2, 3] of them [4]", "Both of them"),
        ("`x[1]` stays [2].", "`x[1]` stays."),
        ("Nothing.", "Nothing."),
        ("", ""),
    ],
)
def test_without_markers(text: str, expected: str) -> None:
    assert without_markers(text) == expected


class TestInferred:
    def test_a_sentence_that_a_source_has_is_cited_without_a_number(self) -> None:
        reply = "As you ask, the trial began in May 2021. I hope that helps."
        found = checked(reply)
        (citation,) = found.citations
        assert found.outcome == "answered"
        assert (citation.number, citation.document, citation.quote) == (1, 11, TEXTS[0].split(" It took")[0])
        assert citation.inferred
        assert reply[: citation.at].endswith("May 2021.")
        assert citation.at == citation.until

    @pytest.mark.parametrize(
        "reply",
        [
            "The trial began in May 2020.",  # another number
            "The trial did not begin in May 2021.",
            "It cost 1.5 million euros and took three weeks.",
            "Somebody was convicted, as the court wrote in its last paragraph.",  # the source says nobody was
            "Roses.",
            "Three weeks.",
            "The gardeners watered roses in the palace of the king in the summer.",
        ],
    )
    def test_what_only_sounds_alike_is_not(self, reply: str) -> None:
        assert checked(reply).outcome == "uncited"

    def test_what_a_reply_quotes_word_for_word_is_cited_without_a_number(self) -> None:
        (citation,) = checked('The file of the witnesses says this: "Witnesses were heard in June."').citations
        assert (citation.number, citation.quote) == (2, "Witnesses were heard in June")
        assert citation.inferred and citation.verbatim
        assert checked('The file of the witnesses says this: "Witnesses were heard in July."').outcome == "uncited"

    def test_who_cites_some_sentences_is_believed_to_cite_all(self) -> None:
        assert numbers("It took three weeks [1]. Witnesses were heard in June.") == [1]

    def test_a_denial_stays_one(self) -> None:
        assert checked(f"{NOT_FOUND} The trial began in May 2021.").outcome == "not_found"


def test_a_long_reply_takes_no_time() -> None:
    reply = 'It took "three long weeks" [1] and [ [ `" “ ' * 5000
    assert checked(reply).outcome == "answered"
