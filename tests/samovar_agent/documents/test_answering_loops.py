import pytest

from samovar_agent.documents.answering_loops import goes_round

COUNTS = "".join(f"The source {at} says 90 °C, and the source {at + 1} says 80 °C. " for at in range(5, 99, 2))


@pytest.mark.parametrize(
    "text",
    [
        "It is dry. " + "The tin is kept dry. " * 8,
        "The answer is the tin " * 8,
        "Yes, the tin. " + "A long sentence about the tin, which is kept dry and dark, says that it is dry.\n" * 8,
        COUNTS,
        "".join(f"The source {at} says that tea is made with {(90, 80, 70)[at * at % 3]} °C. " for at in range(40)),
        "- Brew it for 80 seconds\n" * 9,
    ],
)
def test_what_repeats_itself_goes_round(text: str) -> None:
    assert goes_round(text, known={80.0, 90.0})
    assert goes_round(text[:-7], known={80.0, 90.0}), "wherever it is now"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Green tea wants water of 80 °C, black tea boiling water. " * 3,
        "".join(f"{at}. In {1990 + at} the harvest was {40 + at % 3} tons.\n" for at in range(1, 30)),
        "| tea | water |\n|" + "-" * 400 + "|" + "---|" * 60,
        "".join(f"Document {word} is about tea. " for word in ["green", "black", "white", "herbal", "yellow", "red"]),
        "The tin is kept dry. " * 8 + "That was said often enough.",
    ],
)
def test_what_goes_on_does_not(text: str) -> None:
    assert not goes_round(text, known={float(year) for year in range(1990, 2020)})
