from pathlib import Path

import pytest

from samovar_agent.models.files import parts, stem_and_tag


@pytest.mark.parametrize(
    ("file_name", "stem", "tag"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct", "Q4_1"),
        ("Qwen3-4B-Q4_K_M.gguf", "Qwen3-4B", "Q4_K_M"),
        ("Qwen3-4B-UD-Q4_K_XL.gguf", "Qwen3-4B", "UD-Q4_K_XL"),
        ("model-IQ2_XXS.gguf", "model", "IQ2_XXS"),
        ("model_f16.gguf", "model", "f16"),
        ("gpt-oss-20b-MXFP4.gguf", "gpt-oss-20b", "MXFP4"),
        ("Big-Q8_0-00001-of-00003.gguf", "Big", "Q8_0"),
        ("Tiny.Q8_0.gguf.partial", "Tiny", "Q8_0"),
        ("Tiny.Q8_0.GGUF", "Tiny", "Q8_0"),
        ("plain.gguf", "plain", None),
        ("model-3b.gguf", "model-3b", None),
        ("Q4_0.gguf", "Q4_0", None),
        (".gguf", "", None),
    ],
)
def test_names_of_files(file_name: str, stem: str, tag: str | None) -> None:
    assert stem_and_tag(file_name) == (stem, tag)


def test_parts_of_a_split_model() -> None:
    assert [path.name for path in parts(Path("/m/x-00001-of-00002.gguf"))] == [
        "x-00001-of-00002.gguf",
        "x-00002-of-00002.gguf",
    ]


@pytest.mark.parametrize(
    "name",
    ["x.gguf", "x-00002-of-00003.gguf", "x-00001-of-99999.gguf", "x-00001-of-00001.gguf", "x-00001-of-00000.gguf"],
)
def test_what_is_not_the_first_of_several_stands_alone(name: str) -> None:
    assert parts(Path(name)) == (Path(name),)
