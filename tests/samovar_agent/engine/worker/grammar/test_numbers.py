"""Digits that a grammar lets through are the numbers within the bounds, and all of them."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from samovar_agent.engine.worker.grammar.automaton import matches
from samovar_agent.engine.worker.grammar.limits import Steps
from samovar_agent.engine.worker.grammar.numbers import Bound, magnitudes

DECIMALS = st.decimals(-200, 200, places=2) | st.integers(-200, 200).map(Decimal) | st.decimals(-3, 3, places=3)
BOUNDS = st.builds(Bound, DECIMALS, st.booleans(), st.booleans())
MULTIPLES = st.sampled_from(["1", "7", "12", "0.5", "0.01", "2.5"]).map(Decimal)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(BOUNDS, max_size=3),
    st.lists(MULTIPLES, max_size=2),
    st.booleans(),
    st.lists(st.decimals(-250, 250, places=1) | st.integers(-250, 250).map(Decimal) | DECIMALS, min_size=5),
)
def test_as_arithmetic_says(bounds: list[Bound], multiples: list[Decimal], whole: bool, numbers: list[Decimal]) -> None:
    automata = {sign: magnitudes(bounds, multiples, whole, sign, Steps(), "#") for sign in (1, -1)}
    for number in [*numbers, *(bound.value for bound in bounds)]:
        number = number or Decimal(0)  # never minus zero
        number = number.quantize(Decimal(1)) if number == int(number) else number.normalize()
        wanted = all(bound.holds(number) for bound in bounds) and all(number % one == 0 for one in multiples)
        wanted = wanted and not (whole and number != int(number))
        sign = automata[-1 if number < 0 else 1]
        assert (sign is not None and matches(sign, f"{abs(number):f}")) is wanted, number
