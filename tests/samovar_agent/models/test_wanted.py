"""What a download is told: which files, with which digests, from where; and what is refused before anything is made."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from samovar_agent.models.addresses import beside, digest_in
from samovar_agent.models.hub_facts import HubFacts, KnownFile
from samovar_agent.models.offers import from_hub
from samovar_agent.models.sources import FolderSource, HubSource, PackageSource, UrlSource, kind
from samovar_agent.models.wanting import wanted_of
from samovar_protocol import FailureCode, SamovarError
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub_server
from tests.samovar_agent.models.shop import LARGE, PACKED, PART_1, PART_2, SMALL, TINY, WEIGHTS, Shop, digest, opened

__all__ = ["hub_server"]


@pytest.fixture
async def shop(tmp_path: Path, hub_server: HubServer) -> AsyncIterator[Shop]:
    async with opened(tmp_path / "home", hub_server) as made:
        made.stock()
        yield made


async def refused(shop: Shop, name: str, *codes: FailureCode, **options: object) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        await shop.wanted(name, **options)  # type: ignore[arg-type]
    assert caught.value.code in codes
    assert caught.value.hint
    return caught.value


async def test_the_catalog_and_the_hub_together(shop: Shop) -> None:
    wanted = await shop.wanted("tiny")
    assert wanted.key == "Acme/Tiny@Q4_K_M"
    (part,) = wanted.parts
    assert (part.name, part.size_bytes, part.sha256) == ("tiny-Q4_K_M.gguf", len(SMALL), digest(SMALL))
    (source,) = wanted.sources
    assert isinstance(source, HubSource)
    assert (source.repository, len(source.revision)) == (TINY, 40)  # the commit that was seen


@pytest.mark.parametrize("name", ["tiny@Q8_0", "Acme/Tiny@q8_0", "tiny-1b@tiny-Q8_0.gguf"])
async def test_a_quantization_that_the_catalog_does_not_list(shop: Shop, name: str) -> None:
    wanted = await shop.wanted(name)
    assert (wanted.key, wanted.parts[0].sha256) == ("Acme/Tiny@Q8_0", digest(LARGE))


async def test_a_quantization_that_nobody_has(shop: Shop) -> None:
    error = await refused(shop, "tiny@Q3_K_M", FailureCode.NOT_FOUND)
    assert "Q4_K_M, Q8_0" in error.hint


async def test_what_the_catalog_knows_needs_no_hub(shop: Shop) -> None:
    shop.cable.plugged = False
    wanted = await shop.wanted("packed")
    assert [kind(source) for source in wanted.sources] == ["python-package", "hub"]
    assert wanted.parts[0].sha256 == digest(SMALL)
    assert shop.hub.seen == []


async def test_a_hub_with_other_bytes_is_no_source(shop: Shop) -> None:
    shop.hub.add(PACKED, {}).add("packed-Q8_0.gguf", b"")
    shop.hub.repositories[PACKED].file("packed-Q8_0.gguf").content = LARGE
    await shop.service.options("packed", requester="a test")
    entry = (await shop.service.ls()).models[1]
    assert entry.files[0].sources == ["python-package"]
    assert entry.files[0].sha256 == digest(SMALL)


async def test_only_one_kind_of_source(shop: Shop) -> None:
    wanted = await shop.wanted("packed", source="hub")
    assert [kind(source) for source in wanted.sources] == ["hub"]
    error = await refused(shop, "packed", FailureCode.NOT_FOUND, source="url")
    assert error.hint == "It has python-package, hub."


async def test_what_is_made_here_needs_no_digest_of_its_own(shop: Shop) -> None:
    for plugged in (True, False):  # its repository is gone
        shop.cable.plugged = plugged
        wanted = await shop.wanted("embedder")
        (source,) = wanted.sources
        assert isinstance(source, PackageSource)
        assert (source.convert, source.sha256) == ("bert", WEIGHTS)
        assert wanted.parts[0].sha256 is None
        assert not wanted.unverified


async def test_a_digest_that_is_named_is_never_left_unchecked(shop: Shop) -> None:
    wanted = await shop.wanted("embedder", sha256="0" * 64)
    assert "python-package" not in map(kind, wanted.sources)
    error = await refused(shop, "embedder", FailureCode.BAD_REQUEST, source="python-package", sha256="0" * 64)
    assert "made here" in error.failure.message


async def test_only_the_hub_knows_and_cannot_be_asked(shop: Shop) -> None:
    shop.cable.plugged = False
    await refused(shop, "tiny", FailureCode.NETWORK_OFFLINE)
    await refused(shop, "someone/big-GGUF", FailureCode.NETWORK_OFFLINE)
    shop.cable.plugged = True
    await shop.wanted("tiny")
    shop.cable.plugged = False
    assert (await shop.wanted("tiny")).parts[0].sha256 == digest(SMALL)  # from before


async def test_a_repository(shop: Shop) -> None:
    wanted = await shop.wanted("someone/big-GGUF")
    assert (wanted.key, wanted.publisher, wanted.name) == ("someone/big-GGUF@Q8_0", "someone", "big-GGUF")
    assert [(part.name, part.size_bytes, part.sha256) for part in wanted.parts] == [
        ("big-Q8_0-00001-of-00002.gguf", len(PART_1), digest(PART_1)),
        ("big-Q8_0-00002-of-00002.gguf", len(PART_2), digest(PART_2)),
    ]
    (source,) = wanted.sources
    assert isinstance(source, HubSource)
    assert source.folder == "Q8"
    assert (await shop.wanted("hf.co/someone/big-GGUF:q2_k")).key == "someone/big-GGUF@Q2_K"


async def test_addresses_of_the_hub(shop: Shop) -> None:
    for place in (shop.hub.endpoint, "https://huggingface.co"):
        wanted = await shop.wanted(f"{place}/someone/big-GGUF/blob/main/Q8/big-Q8_0-00001-of-00002.gguf")
        assert (wanted.key, len(wanted.parts)) == ("someone/big-GGUF@Q8_0", 2)
        wanted = await shop.wanted(f"{place}/someone/big-GGUF/resolve/main/big-Q2_K.gguf?download=true")
        assert wanted.key == "someone/big-GGUF@Q2_K"
        wanted = await shop.wanted(f"{place}/someone/big-GGUF/tree/main/Q8")
        assert wanted.key == "someone/big-GGUF@Q8_0"
        await refused(shop, f"{place}/someone/big-GGUF/resolve/main/none.gguf", FailureCode.NOT_FOUND)


async def test_a_repository_without_digests(shop: Shop) -> None:
    repository = shop.hub.add("odd/small-GGUF", {"x-Q8_0.gguf": SMALL})
    repository.files["x-Q8_0.gguf"].say_sha256 = "0" * 63
    await refused(shop, "odd/small-GGUF", FailureCode.BAD_REQUEST, FailureCode.NETWORK_FAILED)


async def test_another_address_needs_a_digest(shop: Shop) -> None:
    shop.hub.add_file("/files/some-Q4_0.gguf", SMALL)
    url = f"{shop.hub.endpoint}/files/some-Q4_0.gguf"
    await refused(shop, url, FailureCode.BAD_REQUEST)
    named = await shop.wanted(url, sha256=digest(SMALL).upper())
    assert named.parts[0].sha256 == digest(SMALL)
    assert named.parts[0].size_bytes == len(SMALL)
    assert named.sources == [UrlSource(url=url)]
    assert (named.publisher, named.name, named.quantization) == ("127.0.0.1", "some", "Q4_0")
    assert not named.unverified
    taken = await shop.wanted(url, unverified=True)
    assert (taken.parts[0].sha256, taken.unverified) == (None, True)


async def test_a_digest_beside_an_address(shop: Shop) -> None:
    shop.hub.add_file("/files/some-Q4_0.gguf", SMALL)
    shop.hub.add_file("/files/some-Q4_0.gguf.sha256", f"{digest(SMALL)}  some-Q4_0.gguf\n".encode())
    wanted = await shop.wanted(f"{shop.hub.endpoint}/files/some-Q4_0.gguf", unverified=True)
    assert wanted.parts[0].sha256 == digest(SMALL)
    assert not wanted.unverified  # there is no reason to go without


async def test_a_split_model_at_an_address(shop: Shop) -> None:
    for name, content in (("b-Q4_0-00001-of-00002.gguf", PART_1), ("b-Q4_0-00002-of-00002.gguf", PART_2)):
        shop.hub.add_file(f"/files/{name}", content)
        shop.hub.add_file(f"/files/{name}.sha256", digest(content).encode())
    url = f"{shop.hub.endpoint}/files/b-Q4_0-00001-of-00002.gguf"
    wanted = await shop.wanted(url)
    assert [(part.size_bytes, part.sha256) for part in wanted.parts] == [
        (len(PART_1), digest(PART_1)),
        (len(PART_2), digest(PART_2)),
    ]
    await refused(shop, url, FailureCode.BAD_REQUEST, sha256=digest(PART_1))


def test_parts_lie_beside_each_other() -> None:
    first = "https://h/d/a%23-00001-of-00002.gguf?download=true"
    assert beside(first, "a#-00002-of-00002.gguf") == "https://h/d/a%23-00002-of-00002.gguf?download=true"


async def test_an_address_that_does_not_answer(shop: Shop) -> None:
    await refused(shop, f"{shop.hub.endpoint}/files/none.gguf", FailureCode.NOT_FOUND, sha256="0" * 64)
    shop.cable.plugged = False
    await refused(shop, "https://example.org/x.gguf", FailureCode.NETWORK_OFFLINE, sha256="0" * 64)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a" * 64, "a" * 64),
        (b"A" * 64 + b"\n", "a" * 64),
        (b"a" * 64 + b"  x.gguf\n", "a" * 64),
        (b"a" * 64 + b" *./dir/x.gguf", "a" * 64),
        (b"b" * 64 + b"  y.gguf\n" + b"a" * 64 + b"  x.gguf\n", "a" * 64),
        (b"a" * 64 + b"  y.gguf", None),
        (b"a" * 63, None),
        (b"a" * 65, None),
        (b"<html>", None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_files_with_digests(body: bytes, expected: str | None) -> None:
    assert digest_in(body, "x.gguf") == expected


async def test_a_file_here(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "share" / "my model-Q4_0.gguf"
    path.parent.mkdir()
    path.write_bytes(SMALL)
    for name in (str(path), path.as_uri()):
        wanted = await shop.wanted(name)
        assert (wanted.publisher, wanted.name, wanted.quantization) == ("local", "my-model", "Q4_0")
        assert wanted.parts[0].sha256 == digest(SMALL)
        assert wanted.sources == [FolderSource(path=str(path.parent))]
    path.with_name(path.name + ".sha256").write_text(digest(LARGE))
    assert (await shop.wanted(str(path))).parts[0].sha256 == digest(LARGE)  # what is said, a transfer will check
    await refused(shop, str(path), FailureCode.DIGEST_MISMATCH, sha256=digest(SMALL))
    await refused(shop, str(tmp_path / "none.gguf"), FailureCode.MODEL_FILE_MISSING)
    (tmp_path / "x.txt").write_text("x")
    await refused(shop, str(tmp_path / "x.txt"), FailureCode.PATH_REFUSED)


async def test_a_folder_here(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    await refused(shop, str(folder), FailureCode.NOT_FOUND)
    (folder / "m-Q8_0.gguf").write_bytes(SMALL)
    (folder / "mmproj-m.gguf").write_bytes(SMALL)
    (folder / "m-Q4_K_M-00001-of-00002.gguf").write_bytes(PART_1)
    assert (await shop.wanted(str(folder))).quantization == "Q8_0"  # the other is not all there
    (folder / "m-Q4_K_M-00002-of-00002.gguf").write_bytes(PART_2)
    wanted = await shop.wanted(str(folder))
    assert [part.sha256 for part in wanted.parts] == [digest(PART_1), digest(PART_2)]
    await refused(shop, str(folder), FailureCode.BAD_REQUEST, sha256="0" * 64)


async def test_a_file_here_is_let_go_when_its_client_leaves(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "big.gguf"
    with path.open("wb") as file:
        file.truncate(4 << 30)  # a hole, whose digest takes seconds
    work = asyncio.create_task(shop.wanted(str(path)))
    await asyncio.sleep(0.2)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert not any(Path(f"/proc/self/fd/{number}").resolve() == path for number in os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("folder", "file"), [("Q4", "m-Q5_K_M.gguf"), ("Q4_other", "m-Q4_K_M.gguf"), ("", "m-Q4_K_M.gguf")]
)
def test_a_folder_of_a_repository(folder: str, file: str) -> None:
    sizes = {"Q4/m-Q2_K.gguf": 1, "Q4/m-Q5_K_M.gguf": 2, "Q4_other/m-Q4_K_M.gguf": 3}
    files = [KnownFile(path=path, size_bytes=size) for path, size in sizes.items()]
    model = from_hub(HubFacts(repository="a/b", files=files))
    assert wanted_of(model, folder=folder).parts[0].name == file


@pytest.mark.parametrize(
    "sha256",
    [
        "0" * 63,
        "0" * 65,
        "g" * 64,
        "../" + "0" * 61,
        "..\\" + "0" * 61,
        "0" * 63 + "\0",
        "/etc/passwd",
        "0" * 64 + "/x",
    ],
)
async def test_digests_of_a_wrong_form(shop: Shop, sha256: str) -> None:
    await refused(shop, "tiny", FailureCode.BAD_REQUEST, sha256=sha256)


async def test_a_digest_that_the_hub_contradicts(shop: Shop) -> None:
    error = await refused(shop, "tiny", FailureCode.DIGEST_MISMATCH, sha256="0" * 64)
    assert digest(SMALL) in error.failure.message
    await refused(shop, "someone/big-GGUF", FailureCode.BAD_REQUEST, sha256="0" * 64)  # which of its parts?


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "..\\x",
        "C:\\x.gguf",
        "a\0b",
        "x" * 300,
        "user/" + "x" * 300,
        "CON/x",
        "user/nul",
        "tiny\u200b",
        "t\u0456ny",
        "Acme\u2215Tiny",
        "tiny@../../x",
        "user/repo/resolve/main/../../../x.gguf",
        "https://example.org/..%2f..%2fx.gguf",
        "https://example.org/x%5c..%5cy.gguf",
        "https://example.org/nul.gguf",
    ],
)
async def test_hostile_names_make_no_file(shop: Shop, name: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    await refused(
        shop,
        name,
        FailureCode.BAD_REQUEST,
        FailureCode.PATH_REFUSED,
        FailureCode.MODEL_UNKNOWN,
        FailureCode.NOT_FOUND,
        sha256="0" * 64,
    )
    assert sorted(tmp_path.rglob("*")) == before


async def test_hostile_names_on_the_hub(shop: Shop) -> None:
    shop.hub.add("evil/x-GGUF", {"../../x.gguf": SMALL, "a\\x.gguf": SMALL, "nul.gguf": SMALL, "x.gguf:y.gguf": SMALL})
    await refused(shop, "evil/x-GGUF", FailureCode.NOT_FOUND)
