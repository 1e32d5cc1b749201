import json
from pathlib import Path

import msgspec
import pytest

from samovar_agent.models.catalog import Catalog, CatalogFile, CatalogModel, PackageSource
from samovar_agent.models.files import stem_and_tag
from samovar_agent.paths import safe_path, safe_relative_path
from samovar_protocol import FailureCode, SamovarError

BUILT_IN = Catalog.built_in()


@pytest.mark.parametrize(
    "name",
    [
        "smollm2-135m",
        "SmolLM2-135M-Instruct",
        "smollm2-135m-instruct",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "smollm2-135m@q4_1",
        "HuggingFaceTB/SmolLM2-135M-Instruct@Q4_1",
    ],
)
def test_the_small_chat_model_is_known_by(name: str) -> None:
    choice = BUILT_IN.resolve(name)
    assert choice.key == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (choice.file.quantization, choice.file.size_bytes) == ("Q4_1", 98_362_432)
    assert choice.file.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.mark.parametrize("name", ["smollm2", "135m", "", "@", "gpt-4o", "smollm2-135m@q9", "../x"])
def test_a_download_is_never_guessed(name: str) -> None:
    with pytest.raises(SamovarError) as caught:
        BUILT_IN.resolve(name)
    assert caught.value.code == FailureCode.MODEL_UNKNOWN
    assert caught.value.hint


def test_hints_lead_to_the_model() -> None:
    def hint(name: str) -> str:
        with pytest.raises(SamovarError) as caught:
            BUILT_IN.resolve(name)
        return caught.value.hint

    assert "SmolLM2-135M-Instruct" in hint("SmolLM2-135M-Instrct")
    assert hint("smollm2-135m@q8_0") == "It is there as smollm2-135m@Q4_1."
    assert "SmolLM2-135M-Instruct" in hint("something else")


def test_every_entry_can_be_placed_and_named(tmp_path: Path) -> None:
    for model in BUILT_IN.models:
        for file in model.files:
            safe_path(tmp_path, model.publisher, model.name, file.name)
            assert "@" not in model.name
            # The library reads the quantization from the file's name, so both give one key.
            assert stem_and_tag(file.name) == (model.name, file.quantization)
            for source in file.sources:
                safe_relative_path(tmp_path, source.member)


def test_names_in_it_mean_one_model_each() -> None:
    names = [name.casefold() for model in BUILT_IN.models for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names))


def model(name: str, *quantizations: str, publisher: str = "Acme") -> CatalogModel:
    files = [
        CatalogFile(
            quantization=quantization,
            name=f"{name}.{quantization}.gguf",
            size_bytes=1,
            sha256=f"{index:064x}",
            sources=[PackageSource(requirement="x==1", member="x.gguf", package_bytes=1)],
        )
        for index, quantization in enumerate(quantizations)
    ]
    return CatalogModel(
        name=name,
        publisher=publisher,
        title=name,
        description=name,
        licence="MIT",
        languages=[],
        capabilities=["chat"],
        architecture="llama",
        parameters=1,
        context_length=1,
        files=files,
    )


def test_the_first_file_is_the_recommended_one() -> None:
    catalog = Catalog([model("Tiny", "Q4_K_M", "Q8_0")])
    assert catalog.resolve("tiny").file.quantization == "Q4_K_M"
    assert catalog.resolve("tiny@q8_0").file.quantization == "Q8_0"


def test_two_publishers_of_one_name() -> None:
    catalog = Catalog([model("Tiny", "Q8_0"), model("Tiny", "Q8_0", publisher="Other")])
    with pytest.raises(SamovarError) as caught:
        catalog.resolve("tiny")
    assert caught.value.code == FailureCode.MODEL_AMBIGUOUS
    assert catalog.resolve("other/tiny").model.publisher == "Other"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "b179"),
        ("sha256", "../" + "0" * 61),
        ("size_bytes", 0),
        ("name", "a/b.gguf"),
        ("name", "a\\b.gguf"),
        ("name", "a.exe"),
        ("sources", []),
        ("sources", [{"kind": "carrier-pigeon"}]),
        ("sources", [{"kind": "python-package", "requirement": "x", "member": "y", "package_bytes": 1}]),
        ("sources", [{"kind": "python-package", "requirement": "-r x==1", "member": "y", "package_bytes": 1}]),
    ],
)
def test_a_damaged_catalog_is_refused(field: str, value: object) -> None:
    entry = msgspec.to_builtins(model("Tiny", "Q8_0"))
    Catalog.decode(json.dumps({"format": 1, "models": [entry]}).encode())
    entry["files"][0][field] = value
    with pytest.raises(SamovarError):
        Catalog.decode(json.dumps({"format": 1, "models": [entry]}).encode())


def test_another_format_is_refused() -> None:
    with pytest.raises(SamovarError, match="format 2"):
        Catalog.decode(b'{"format": 2, "models": []}')
