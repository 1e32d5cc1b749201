import pytest

from samovar_agent.documents.citations_numbers import follows, numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80 °c", {80}),
        ("eur 1,250", {1250, 1.25}),
        ("1.234.567,89", {1234567.89}),
        ("6.5 million", {6_500_000}),
        ("6,5 millionen euro", {6_500_000}),
        ("€6.5m", {6_500_000}),
        ("5 minutes", {5}),  # no magnitude
        ("12万冊", {120_000}),
        ("two to three, vingt, dreissig", {2, 3, 20, 30}),
        ("one of them", set()),
    ],
)
def test_numbers_however_they_are_written(text: str, expected: set[float]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("number", "known", "expected"),
    [
        (80, {80}, True),
        (28, {112, 140}, True),
        (3750, {1250, 3}, True),
        (24, {2}, True),  # months of two years
        (650_000, {6_500_000, 10}, True),
        (1945, {80, 2, 3, 70, 4.5}, False),
        (7, set(), False),
        (0, {5, 0.0}, True),
    ],
)
def test_what_one_step_of_reckoning_gives(number: float, known: set[float], expected: bool) -> None:
    assert bool(follows(number, known)) is expected
