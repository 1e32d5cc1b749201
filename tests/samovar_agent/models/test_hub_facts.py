"""From the files of a repository to what a model can be downloaded as."""

from __future__ import annotations

import pytest

from samovar_agent.models.hub_facts import HubFacts, KnownFile, best, facts_of, files_of
from samovar_agent.models.sources import HubSource
from samovar_agent.network.hub import HubFile, HubModel

DIGEST = "ab" * 32
COMMIT = "c" * 40


def facts(*paths: str) -> HubFacts:
    known = [KnownFile(path=path, size_bytes=1000 + index, sha256=DIGEST) for index, path in enumerate(paths)]
    return HubFacts(repository="user/repo", commit=COMMIT, files=known)


def names(*paths: str, folder: str = "") -> dict[str, int]:
    return {file.quantization: len(file.parts) for file in files_of(facts(*paths), folder)}


def test_parts_of_a_split_model_are_one() -> None:
    found = files_of(facts("m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q4_K_M.gguf"))
    assert [(file.quantization, file.size_bytes) for file in found] == [("Q4_K_M", 1002), ("Q8_0", 2001)]
    assert [part.name for part in found[1].parts] == ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]
    assert all(part.sha256 == DIGEST for part in found[1].parts)


@pytest.mark.parametrize(
    "lone",
    ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00002-of-00099.gguf"],
)
def test_what_is_not_whole_is_left_out(lone: str) -> None:
    assert names("m-Q4_0.gguf", lone) == {"Q4_0": 1}


def test_companions_are_left_out() -> None:
    assert names("m-Q4_0.gguf", "mmproj-model-f16.gguf", "m-BF16-mmproj.gguf", "imatrix.gguf", "mtp-m.gguf") == {
        "Q4_0": 1
    }


def test_files_come_from_their_folder_at_the_commit_that_was_seen() -> None:
    (file,) = files_of(facts("Q8_0/m-Q8_0.gguf"))
    assert file.sources == [HubSource(repository="user/repo", folder="Q8_0", revision=COMMIT)]


def test_each_has_a_name_of_its_own() -> None:
    assert names("a-Q4_0.gguf", "b-Q4_0.gguf", "x/a-Q4_0.gguf", "model.gguf", "a-q8_0.gguf") == {
        "Q4_0": 1,
        "b-Q4_0": 1,
        "x-a-Q4_0": 1,
        "model": 1,
        "Q8_0": 1,
    }


def test_a_folder_alone() -> None:
    assert names("a-Q4_0.gguf", "x/a-Q8_0.gguf", "xy/a-Q6_K.gguf", folder="x") == {"Q8_0": 1}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["Q8_0", "Q4_K_M", "Q2_K"], "Q4_K_M"),
        (["Q8_0", "Q4_K_S", "Q2_K"], "Q4_K_S"),
        (["UD-Q4_K_XL", "Q4_K_XL", "Q8_0"], "Q4_K_XL"),
        (["UD-Q4_K_XL", "BF16"], "UD-Q4_K_XL"),
        (["Q8_0", "BF16"], "Q8_0"),
        (["Q2_K", "F16"], "Q2_K"),
        (["F16", "F32"], "F16"),
        (["MXFP4", "BF16"], "MXFP4"),
    ],
)
def test_the_best_for_most_people(tags: list[str], expected: str) -> None:
    found = best(files_of(facts(*(f"m-{tag}.gguf" for tag in tags))))
    assert found is not None
    assert found.quantization == expected


def test_nothing_is_the_best_of_nothing() -> None:
    assert best([]) is None


def test_hostile_answers_lose_only_what_is_hostile() -> None:
    wrong = [
        "../../m-Q4_0.gguf",
        "a\\m-Q5_0.gguf",
        "C:m.gguf",
        "nul.gguf",
        "\uff0e\uff0e/x.gguf",
        "x@y.gguf",
        "run.exe",
    ]
    answer = HubModel(
        repository="user/repo",
        commit=COMMIT,
        licence="mit",
        files=[HubFile(path="m-Q8_0.gguf", size_bytes=5, sha256=DIGEST), *(HubFile(path=path) for path in wrong)],
    )
    kept = facts_of(answer)
    assert kept.licence == "mit"
    assert [file.quantization for file in files_of(kept)] == ["Q8_0"]


def test_ten_thousand_files_are_no_burden() -> None:
    answer = HubModel(repository="user/repo", files=[HubFile(path=f"m-{number}.gguf") for number in range(20_000)])
    assert len(facts_of(answer).files) <= 5000
