import pytest

from samovar_agent.documents.answering_sources import Given, Passage, chosen
from samovar_agent.documents.citations_support import Support

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
