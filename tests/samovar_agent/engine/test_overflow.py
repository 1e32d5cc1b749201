"""What is told about a prompt that is too long."""

import pytest

from samovar_agent.engine.overflow import with_remedy
from samovar_protocol import FailureCode, SamovarError

KEY = "maker/small"


def overflow(needed: int, context: int, trained: int) -> SamovarError:
    details: dict[str, int | float | str | list[str]] = {
        "prompt_tokens": needed,
        "context_length": context,
        "trained_context": trained,
    }
    return SamovarError(FailureCode.CONTEXT_OVERFLOW, "Too long.", hint="Shorten it.", details=details)


@pytest.mark.parametrize(
    ("needed", "trained", "room"),
    [(9_000, 131_072, 16_384), (100, 32_768, 4_096), (15_361, 131_072, 32_768), (9_000, 10_000, 10_000)],
)
def test_the_command_makes_room_for_the_prompt_and_a_reply(needed: int, trained: int, room: int) -> None:
    error = with_remedy(overflow(needed, 64, trained), KEY)
    assert str(error) == f"Too long. Shorten it, or make room: `samovar load {KEY} --context {room}`."
    assert error.failure.details["prompt_tokens"] == needed


@pytest.mark.parametrize("needed", [8_192, 9_000])
def test_what_the_model_cannot_have_is_not_advised(needed: int) -> None:
    error = with_remedy(overflow(needed, 64, 8_192), KEY)
    assert error.hint == f"Shorten it, or choose another model: {KEY} was trained for 8,192."


def test_other_failures_stay_what_they_are() -> None:
    other = SamovarError(FailureCode.BAD_REQUEST, "No.", details=overflow(9, 5, 50).failure.details)
    unknown = SamovarError(FailureCode.CONTEXT_OVERFLOW, "No room for documents.", details={"free_tokens": 5})
    assert with_remedy(other, KEY) is other
    assert with_remedy(unknown, KEY) is unknown
