"""The built-in catalog is sound and claims nothing that nobody saw; and what is no catalog is refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from samovar_agent.models.catalog import MAX_BYTES, Catalog, CatalogFile, CatalogModel, chosen
from samovar_agent.models.files import stem_and_tag
from samovar_agent.models.hub_names import check_file, check_repository
from samovar_agent.models.sources import HubSource, PackageSource, PackagesSource, Part
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
    assert choice.file is not None
    (part,) = choice.file.parts
    assert (choice.file.quantization, part.size_bytes) == ("Q4_1", 98_362_432)
    assert part.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.mark.parametrize("name", ["smollm2", "135m", "", "@", "gpt-4o", "smollm2-135m@q9", "../x", "smollm2\u2215135m"])
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
    assert hint("smollm2-135m@q9_9").startswith("It is there as smollm2-135m@Q4_1, ")
    assert "samovar catalog" in hint("something quite else")


def test_there_is_something_for_everyone() -> None:
    assert 40 <= len(BUILT_IN.models) <= 60
    able = [set(model.capabilities) for model in BUILT_IN.models]
    for capability, least in (
        ("chat", 25),
        ("thinking", 8),
        ("tools", 15),
        ("fim", 4),
        ("vision", 3),
        ("embedding", 6),
    ):
        assert sum(capability in one for one in able) >= least, capability
    assert sum("rerank" in one for one in able) >= 2


@pytest.mark.parametrize("model", BUILT_IN.models, ids=lambda model: model.name)
def test_every_entry_can_be_placed_and_named(model: CatalogModel, tmp_path: Path) -> None:
    safe_path(tmp_path, model.publisher, model.name)
    assert model.capabilities
    if model.hub:
        check_repository(model.hub.repository)
    if model.recommended:
        assert model.recommended in {file.quantization for file in model.files}
    for file in model.files:
        for part in file.parts:
            check_file(part.name)
        # The library reads the quantization from the file's name, so both give one key.
        tag = stem_and_tag(file.parts[0].name)[1]
        assert tag is not None
        assert tag.upper() == file.quantization
        for source in model.sources_of(file):
            if isinstance(source, PackageSource):
                safe_relative_path(tmp_path, source.member)
    quantizations = [file.quantization.casefold() for file in model.files]
    assert len(quantizations) == len(set(quantizations))


def test_only_what_was_at_hand_has_a_size_and_a_digest() -> None:
    known = {model.name for model in BUILT_IN.models for file in model.files if any(part.sha256 for part in file.parts)}
    assert known == {"SmolLM2-135M-Instruct", "gemma-3-270m"}
    for model in BUILT_IN.models:
        for file in model.files:
            for part in file.parts:
                assert (part.sha256 is None) == (part.size_bytes is None)


def test_the_files_at_hand_are_as_it_says(small_model: Path, gemma_model: Path) -> None:
    import hashlib

    for name, path in (("smollm2-135m", small_model), ("gemma-3-270m", gemma_model)):
        file = BUILT_IN.resolve(name).file
        assert file is not None
        (part,) = file.parts
        assert part.size_bytes == path.stat().st_size
        with path.open("rb") as opened:
            assert part.sha256 == hashlib.file_digest(opened, "sha256").hexdigest()


def test_the_pieces_of_a_file_make_up_the_whole() -> None:
    file = BUILT_IN.resolve("gemma-3-270m").file
    assert file is not None
    (source,) = file.sources
    assert isinstance(source, PackagesSource)
    assert sum(piece.size_bytes for piece in source.pieces) == file.size_bytes == 253_113_024


def test_the_embedding_model_of_documents_comes_from_the_hub_or_a_package() -> None:
    file = BUILT_IN.resolve("all-minilm-l6-v2").file
    assert file is not None
    hub, package = file.sources
    assert isinstance(hub, HubSource)
    assert isinstance(package, PackageSource)
    assert (package.convert, package.size_bytes) == ("bert", 90_868_376)
    assert file.parts[0].sha256 is None  # only the hub knows that of its own


def test_names_in_it_mean_one_model_each() -> None:
    names = [name.casefold() for model in BUILT_IN.models for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names))


def test_no_fact_is_made_of_nothing() -> None:
    """What nobody stated is left out, not filled with a dummy."""
    for model in BUILT_IN.models:
        assert model.licence != ""
        assert all(language in {"multilingual"} or len(language) == 2 for language in model.languages)
        assert model.context_length is None or 256 <= model.context_length <= 2**24
        assert model.parameters is None or 10**7 < model.parameters < 10**12


def model(name: str, *quantizations: str, publisher: str = "Acme", recommended: str | None = None) -> CatalogModel:
    files = [
        CatalogFile(
            quantization=quantization,
            parts=[Part(name=f"{name}.{quantization}.gguf", size_bytes=1, sha256=f"{index:064x}")],
            sources=[PackageSource(requirement="x==1", member="x.gguf", package_bytes=1)],
        )
        for index, quantization in enumerate(quantizations)
    ]
    return CatalogModel(
        name=name, publisher=publisher, title=name, description=name, files=files, recommended=recommended
    )


def quantization(catalog: Catalog, name: str) -> str:
    file = catalog.resolve(name).file
    assert file is not None
    return file.quantization


def test_the_first_file_is_taken_unless_another_is_recommended() -> None:
    assert quantization(Catalog([model("Tiny", "Q4_K_M", "Q8_0")]), "tiny") == "Q4_K_M"
    assert quantization(Catalog([model("Tiny", "Q4_K_M", "Q8_0", recommended="Q8_0")]), "tiny") == "Q8_0"
    assert quantization(Catalog([model("Tiny", "Q4_K_M", "Q8_0")]), "tiny@q8_0") == "Q8_0"


def test_a_model_whose_files_only_the_hub_knows() -> None:
    hub_only = CatalogModel(
        name="Tiny", publisher="Acme", title="Tiny", description="Tiny", hub=HubSource(repository="acme/tiny-GGUF")
    )
    assert Catalog([hub_only]).resolve("tiny").file is None
    assert chosen(hub_only) is None


def test_two_publishers_of_one_name() -> None:
    catalog = Catalog([model("Tiny", "Q8_0"), model("Tiny", "Q8_0", publisher="Other")])
    with pytest.raises(SamovarError) as caught:
        catalog.resolve("tiny")
    assert caught.value.code == FailureCode.MODEL_AMBIGUOUS
    assert catalog.resolve("other/tiny").model.publisher == "Other"


def test_aliases_are_for_the_library() -> None:
    assert "smollm2-135m" in BUILT_IN.aliases("HuggingFaceTB", "SmolLM2-135M-Instruct")
    assert BUILT_IN.aliases("nobody", "nothing") == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../x"),
        ("name", "a/b"),
        ("name", "x\n"),
        ("publisher", ".hidden"),
        ("publisher", "Acm\u0435"),
        ("aliases", ["a b"]),
        ("parameters", 0),
        ("parameters", "many"),
        ("recommended", "a@b"),
        ("files", [{"quantization": "Q8_0", "parts": []}]),
        ("files", [{"quantization": "a@b", "parts": [{"name": "x.gguf"}]}]),
        ("hub", {"kind": "hub", "repository": "../x"}),
        ("hub", {"kind": "hub", "repository": "a/b\n"}),
        ("hub", {"kind": "carrier-pigeon"}),
    ],
)
def test_a_damaged_catalog_is_refused(field: str, value: object) -> None:
    entry = msgspec.to_builtins(model("Tiny", "Q8_0"))
    entry[field] = value
    refused({"format": 2, "models": [entry]})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "b179"),
        ("sha256", "../" + "0" * 61),
        ("sha256", "0" * 65),
        ("sha256", "0" * 64 + "\n"),
        ("sha256", "A" * 64),
        ("size_bytes", 0),
        ("size_bytes", -1),
        ("name", "a/b.gguf"),
        ("name", "a\\b.gguf"),
        ("name", "a\0.gguf"),
        ("name", "a.gguf\n"),
        ("name", "a.exe"),
        ("name", f"{'x' * 300}.gguf"),
    ],
)
def test_a_damaged_part_is_refused(field: str, value: object) -> None:
    entry = msgspec.to_builtins(model("Tiny", "Q8_0"))
    entry["files"][0]["parts"][0][field] = value
    refused({"format": 2, "models": [entry]})


@pytest.mark.parametrize(
    "sources",
    [
        [],
        [{"kind": "carrier-pigeon"}],
        [{"kind": "python-package", "requirement": "x", "member": "y"}],
        [{"kind": "python-package", "requirement": "-r x==1", "member": "y"}],
        [{"kind": "python-package", "requirement": "x==1\n", "member": "y"}],
        [{"kind": "python-packages", "pieces": []}],
        [{"kind": "url", "url": "file:///etc/passwd"}],
    ],
)
def test_damaged_sources_are_refused(sources: object) -> None:
    entry = msgspec.to_builtins(model("Tiny", "Q8_0"))
    entry["files"][0]["sources"] = sources
    refused({"format": 2, "models": [entry]})


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b'"x"', b"{" * 100_000, b"[" * 100_000, b'{"format": 2, "models": {}}', b"\xff\xfe"],
)
def test_what_is_no_catalog_is_refused(data: bytes) -> None:
    with pytest.raises(SamovarError):
        Catalog.decode(data)


def test_a_catalog_of_a_hundred_megabytes_is_not_even_read() -> None:
    with pytest.raises(SamovarError, match="which no catalog has"):
        Catalog.decode(b" " * (MAX_BYTES + 1))


def test_another_format_is_refused() -> None:
    with pytest.raises(SamovarError, match="format 3"):
        Catalog.decode(b'{"format": 3, "models": []}')


def refused(document: object) -> None:
    sound = msgspec.to_builtins(model("Tiny", "Q8_0"))
    Catalog.decode(json.dumps({"format": 2, "models": [sound]}).encode())
    with pytest.raises(SamovarError):
        Catalog.decode(json.dumps(document).encode())
