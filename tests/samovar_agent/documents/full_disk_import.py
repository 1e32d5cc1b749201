"""Run by `test_transfer_faults` on a disk of a few megabytes: exports and imports until neither fits any more."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from samovar_agent.documents.transfer import export, import_
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Progress
from tests.samovar_agent.documents.transfer_made import dump, papers
from tests.samovar_agent.store.documents_made import sound


def quiet(progress: Progress) -> None:
    """Nobody looks."""


async def fill(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(24_000_000))
    store = await Store.open(disk / "samovar.db")
    collection = await papers(store, many=300)
    await export(store, collection, disk / "f", replace=False, on_progress=quiet)
    whole = ["papers"]
    try:
        for number in range(1000):
            await import_(store, disk / "f", f"import {number}", on_progress=quiet)
            whole += [f"import {number}"]
    except SamovarError as error:
        assert error.code == FailureCode.DISK_FULL, error
        assert "samovar.db" in error.failure.message
    else:
        raise AssertionError("the disk never got full")
    assert [row.name for row in await store.collections.ls()] == sorted(whole)

    try:
        for number in range(1000):
            await export(store, collection, disk / f"f{number}", replace=False, on_progress=quiet)
    except SamovarError as error:
        assert error.code == FailureCode.DISK_FULL, error
        assert f"f{number} could not be written" in error.failure.message
    else:
        raise AssertionError("the disk never got full")
    assert not (disk / f"f{number}").exists()
    assert not list(disk.glob("*partial"))
    await store.close()

    ballast.unlink()  # of which the log takes half before it is written back
    store = await Store.open(disk / "samovar.db")
    while await store.documents.sweep():
        pass
    await sound(store)
    before = await dump(store, collection)
    for row in (await store.collections.ls())[:4]:
        assert await dump(store, row) == before
    again = await import_(store, disk / "f", "again", on_progress=quiet)
    assert await dump(store, again) == before
    await store.close()


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
    print("all checked")
