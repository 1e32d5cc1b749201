import pytest

from samovar_agent.http.anthropic.signature import SIGNATURE, held, holding


@pytest.mark.parametrize("thinking", ["Hm.", "żółć 🫖\n", "", "x" * 100_000])
def test_what_is_not_shown_comes_back(thinking: str) -> None:
    assert held(holding(thinking)) == thinking


@pytest.mark.parametrize(
    "other", ["", SIGNATURE, "EqoBCkgIARABGAIiQL8", f"{SIGNATURE}:!", f"{SIGNATURE}:é", f"{SIGNATURE}:/w=="]
)
def test_anothers_signature_holds_nothing(other: str) -> None:
    assert held(other) == ""
