"""Names that people give to models."""

import pytest

from samovar_agent.models.aliases import parsed, with_alias, without_alias
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.conftest import Home
from tests.samovar_agent.models.gguf_files import llama, write_gguf


def test_lines() -> None:
    lines = ["mario = Acme/Tiny@F16", "nonsense", "=x", "x=", "a b=c", "Mario=Acme/Other"]
    assert parsed(lines) == {"Mario": "Acme/Other"}
    assert with_alias(["a=b", "MARIO=c"], "mario", "d") == ["a=b", "mario=d"]
    assert without_alias(["a=b", "Mario = c"], "mario") == ["a=b"]


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a,b", "a@b", "-a", "a\n", "x" * 200, "ä"])
def test_what_can_be_no_name(name: str) -> None:
    with pytest.raises(SamovarError) as caught:
        with_alias([], name, "a/b")
    assert caught.value.code == FailureCode.BAD_REQUEST


async def test_a_model_answers_to_its_further_names(home: Home) -> None:
    write_gguf(home.places.models / "Acme/Tiny/Tiny.F16.gguf", llama(file_type=1))
    write_gguf(home.places.models / "Acme/Other/Other.F16.gguf", llama())
    await home.library.refresh()
    assert home.library.key_of("tiny") == "Acme/Tiny"  # its names are remembered from here
    home.settings.set("models.aliases", ["mario=Acme/Tiny@f16", "me/luigi:v1 = acme/other", "peach=Acme/Gone"])
    assert home.library.aliases() == {"mario": "Acme/Tiny", "me/luigi:v1": "Acme/Other"}
    assert home.library.key_of("MARIO") == "Acme/Tiny"
    assert home.library.key_of("mario@F16") == "Acme/Tiny"
    assert home.library.key_of("me/luigi:v1") == "Acme/Other"
    with pytest.raises(SamovarError) as caught:
        home.library.key_of("peach")
    assert caught.value.code == FailureCode.MODEL_UNKNOWN
    home.settings.set("models.aliases", None)
    with pytest.raises(SamovarError):
        home.library.key_of("mario")


async def test_a_full_name_stays_true_when_another_file_comes(home: Home) -> None:
    write_gguf(home.places.models / "Acme/Tiny/Tiny.F16.gguf", llama(file_type=1))
    await home.library.refresh()
    full = home.library.full_name("Acme/Tiny")
    home.settings.set("models.aliases", with_alias([], "mario", full))
    write_gguf(home.places.models / "Acme/Tiny/Tiny.Q4_0.gguf", llama(name="2"))
    await home.library.refresh()
    assert home.library.key_of("mario") == "Acme/Tiny@F16"


async def test_a_name_that_a_model_has_is_not_given_to_another(home: Home) -> None:
    write_gguf(home.places.models / "Acme/Tiny/Tiny.F16.gguf", llama(file_type=1))
    await home.library.refresh()
    for taken in ("Acme/Tiny", "TINY", "acme/tiny@f16"):
        with pytest.raises(SamovarError) as caught:
            home.library.check_alias(taken)
        assert caught.value.code == FailureCode.BAD_REQUEST
    home.library.check_alias("tin")
    home.settings.set("models.aliases", ["mario=Acme/Tiny"])
    home.library.check_alias("Mario")  # a person gave it, and may give it again
