import inspect

import pytest

from samovar_agent.documents.answering_sources import Given, Passage, chosen
from samovar_agent.documents.answering_stream import Answer, AnswerStream
from samovar_agent.documents.citations import NOT_FOUND
from samovar_agent.documents.citations_support import Support
from samovar_agent.store.migrations import m0003_documents
from tests.samovar_agent.documents.support_table import TEXTS, TUNED, UNSEEN, Row

REPORT = (
    "A new furnace hall will open in March 2025. It costs 6.5 million euros and replaces the hall from 1961. "
    "The boiler was delivered late, and no dividend will be paid this year."
)
PERU = "What is the capital of Peru?"


def given(*texts: str) -> Given:
    passages = [
        Passage(document=number, name=f"{number}.pdf", text=text, start=0, end=len(text))
        for number, text in enumerate(texts, 1)
    ]
    return chosen(passages, 10**6, lambda texts: [len(text) for text in texts])


@pytest.mark.parametrize(
    ("question", "reply", "expected"),
    [
        ("What does the hall cost?", "It costs 6.5 million", True),
        ("What does the hall cost?", "Nobody paid for dividends", True),
        ("What does the hall cost?", "The hall costs", False),  # only what the question says
        ("What does the hall cost?", "The furnace", False),  # one word may be chance
        (PERU, "The capital of Peru is Lima.", False),
        ("東京の人口は?", "東京の人口は1400万人です", False),
    ],
)
def test_what_may_be_shown(question: str, reply: str, expected: bool) -> None:
    assert Support(given(REPORT), question).is_found(reply) is expected


@pytest.mark.parametrize(
    ("question", "reply", "expected"),
    [
        (PERU, "The capital of Peru is Lima.", True),
        (PERU, "Lima", True),
        (PERU, "", False),
        (PERU, "Peru", False),  # says nothing beyond the question
        ("Does the hall open in March?", "Yes.", False),
        ("How much is it for each of the 10 years?", "It is 650,000.", False),  # may have been computed
        ("What does the hall cost?", "It costs 6.5 million euros, says the report.", False),
        # What is not said in the sources' language cannot be looked for there.
        ("Was ist die Hauptstadt von Peru?", "Die Hauptstadt von Peru ist Lima.", False),
        ("Was kostet die Halle?", "Die neue Ofenhalle ist nicht billig.", False),
    ],
)
def test_what_is_the_models_own(question: str, reply: str, expected: bool) -> None:
    assert Support(given(REPORT), question).is_missing(reply) is expected


def test_a_short_source_tells_too() -> None:
    assert Support(given("The kettle is red."), PERU).is_missing("The capital of Peru is Lima.")


def test_names_and_headings_are_of_the_source() -> None:
    passage = Passage(document=1, name="Lima.pdf", text="It is the seat.", start=0, end=15, headings=("Cities",))
    sources = chosen([passage], 10**6, lambda texts: [1 for _ in texts])
    assert not Support(sources, PERU).is_missing("Lima is the one of the cities.")


def test_scripts_without_spaces() -> None:
    support = Support(given("新しい炉の建物は2025年3月に開く。"), "いつ開きますか")
    assert support.is_found("2025年3月に開く")
    assert not support.is_found("わかりません")


def answer_to(row: Row, *, beside: str = "") -> Answer:
    stream = AnswerStream(given(TEXTS[row.text] + beside), row.question)
    return stream.end(row.reply)


@pytest.mark.parametrize("row", [row for row in (*TUNED, *UNSEEN) if row.kind in ("right", "near")], ids=str)
def test_what_may_be_right_is_not_kept_back(row: Row) -> None:
    assert answer_to(row).text == row.reply


@pytest.mark.parametrize("row", [row for row in (*TUNED, *UNSEEN) if row.kind == "refusal"], ids=str)
def test_a_refusal_in_the_models_words_is_one(row: Row) -> None:
    answer = answer_to(row)
    assert (answer.text, answer.checked.outcome) == (row.reply, "not_found")


@pytest.mark.parametrize("row", [row for row in (*TUNED, *UNSEEN) if row.kind == "foreign"], ids=str)
def test_what_is_surely_the_models_own_is_kept_back(row: Row) -> None:
    # Scripts without spaces are never sure; and a few common words may say in another way what a source says.
    kept_back = row.text != "新聞" and not row.reply.startswith("An integer")
    answer = answer_to(row)
    assert (answer.text, answer.withheld) == ((NOT_FOUND, row.reply) if kept_back else (row.reply, ""))
    assert answer.checked.outcome == ("not_found" if kept_back else "uncited")  # what is shown is marked


def test_beside_much_else_right_answers_are_not_kept_back_either() -> None:
    beside = inspect.getsource(m0003_documents)[:10_000]  # some English that never changes
    rows = {kind: [row for row in (*TUNED, *UNSEEN) if row.kind == kind] for kind in ("right", "foreign")}
    withheld = {kind: sum(bool(answer_to(row, beside=beside).withheld) for row in rows[kind]) for kind in rows}
    assert withheld["right"] <= len(rows["right"]) // 50
    assert (
        withheld["foreign"] >= len(rows["foreign"]) // 3
    )  # the others are shown, marked: of many words, more may be from there
