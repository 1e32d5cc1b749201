"""Rebuilds the built-in catalog from the hub, for a release: sizes, digests and licences as the hub has them today.

    python installers/build_catalog.py --hub https://huggingface.co --out assets/catalog.json

Names, descriptions and which files are listed are people's choice and stay as they are in `--catalog`. A file that the
hub no longer has is left out, unless it comes from elsewhere too; a model that lists no files gets the usual ones. A
digest that was known and is another one now is reported, because somebody should look at why. What could not be asked
about stays as it was. Exits with 1 where anything was reported, after writing the file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from samovar_agent.events import EventBus
from samovar_agent.models.catalog import Catalog, CatalogFile, CatalogModel
from samovar_agent.models.hub_facts import HubFacts, facts_of, files_of, usualness
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http
from samovar_agent.network.hub import Hub
from samovar_agent.settings import SettingsFile, write_atomically
from samovar_agent.store.store import Store
from samovar_protocol import SamovarError

BUILT_IN = Path(__file__).parent.parent / "assets" / "catalog.json"
_AT_ONCE = 4
_USUAL_FILES = 4
"""Files of a model that lists none: the ones that most people want."""


async def rebuild(catalog: bytes, hub_address: str) -> tuple[bytes, list[str]]:
    """The catalog with what the hub says, and what somebody should look at.

    Raises `internal` where that, or what it is made from, is no catalog.
    """
    document = json.loads(catalog)
    models = Catalog.decode(catalog).models
    told: list[str] = []
    async for index, facts, problem in _asked(models, hub_address):
        if problem:
            told.append(f"{models[index].key}: {problem}")
        elif facts:
            told += update(document["models"][index], models[index], facts)
    rebuilt = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    Catalog.decode(rebuilt)
    return rebuilt, told


def update(entry: dict[str, Any], model: CatalogModel, facts: HubFacts) -> list[str]:
    """Fill one model's entry, which is `model` as JSON; returns what somebody should look at."""
    assert model.hub is not None
    told: list[str] = []
    on_hub = {file.parts[0].name: file for file in files_of(facts, model.hub.folder)}
    if facts.licence and "licence" not in entry:
        entry["licence"] = facts.licence
    kept = []
    for file, listed in zip(model.files, entry["files"], strict=True):
        theirs = on_hub.get(file.parts[0].name)
        elsewhere = any(source.__struct_config__.tag != "hub" for source in file.sources)
        if theirs is None and not elsewhere:
            told.append(f"{model.key}: the hub has no {file.parts[0].name} any more")
            continue
        if theirs is not None:
            told += _fill(listed, file, theirs, model.key, pinned=elsewhere)
        kept.append(listed)
    if not model.files:
        usual = sorted(on_hub.values(), key=lambda file: usualness(file.quantization))[:_USUAL_FILES]
        kept = [{"quantization": file.quantization, "parts": _parts(file)} for file in usual]
    if not kept:
        told.append(f"{model.key}: {facts.repository} has no file that could be used")
        return told
    entry["files"] = kept
    if entry.get("recommended") not in (None, *(file["quantization"] for file in kept)):
        del entry["recommended"]
    return told


def _fill(listed: dict[str, Any], file: CatalogFile, theirs: CatalogFile, key: str, *, pinned: bool) -> list[str]:
    before = [part.sha256 for part in file.parts]
    now = [part.sha256 for part in theirs.parts]
    changed = file.complete and before != now
    if not (changed and pinned):  # what also comes from elsewhere has the bytes that it has there
        listed["parts"] = _parts(theirs)
    return [f"{key}: {file.parts[0].name} has other bytes than before"] if changed else []


def _parts(file: CatalogFile) -> list[dict[str, Any]]:
    said = ({"name": part.name, "size_bytes": part.size_bytes, "sha256": part.sha256} for part in file.parts)
    return [{name: value for name, value in part.items() if value is not None} for part in said]


async def _asked(models: Sequence[CatalogModel], hub_address: str) -> AsyncIterator[tuple[int, HubFacts | None, str]]:
    """(index, facts, problem) of each model with a repository, in order."""
    with tempfile.TemporaryDirectory() as folder:
        settings = SettingsFile(Path(folder, "config.toml"), {"HF_ENDPOINT": hub_address})
        store = await Store.open(Path(folder, "samovar.db"))
        http = Http(settings)
        try:
            hub = Hub(Gate(settings, store, Connectivity(), EventBus()), settings, http)
            turn = asyncio.Semaphore(_AT_ONCE)

            async def ask(model: CatalogModel) -> tuple[HubFacts | None, str]:
                if model.hub is None:
                    return None, ""
                async with turn:
                    try:
                        said = await hub.model(
                            model.hub.repository, model.hub.revision, requester="build_catalog", asked=True
                        )
                        return facts_of(said, model.hub.revision), ""
                    except SamovarError as error:
                        return None, error.failure.message

            for index, (facts, problem) in enumerate(await asyncio.gather(*map(ask, models))):
                yield index, facts, problem
        finally:
            await http.close()
            await store.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(description="Rebuild the built-in catalog from the hub.")
    parser.add_argument("--hub", default="https://huggingface.co", help="address of the hub or a mirror of it")
    parser.add_argument("--catalog", type=Path, default=BUILT_IN, help="the catalog to start from")
    parser.add_argument("--out", type=Path, default=BUILT_IN, help="where to write the new one")
    options = parser.parse_args(arguments)
    rebuilt, told = asyncio.run(rebuild(options.catalog.read_bytes(), options.hub))
    write_atomically(options.out, rebuilt)
    sys.stderr.writelines(f"{line}\n" for line in told)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
