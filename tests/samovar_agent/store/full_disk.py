"""Run by `test_store` on a disk of two megabytes: fills it, and checks what the store does then."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from samovar_agent.store.models import ModelRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError


def row(number: int) -> ModelRow:
    return ModelRow(
        key=f"p/{number:03}", path="/x" * 5000, publisher="p", name="n", origin="link", size_bytes=1, added_at=1.0
    )


async def fill(folder: Path) -> None:
    path, ballast = folder / "samovar.db", folder / "ballast"
    ballast.write_bytes(bytes(200_000))
    store = await Store.open(path)
    _, secret = await store.tokens.create("editor", ["chat"])
    saved: list[str] = []
    try:
        for number in range(1000):
            await store.models.put(row(number))
            saved.append(row(number).key)
    except SamovarError as error:
        assert error.code == FailureCode.DISK_FULL, error
        assert str(path) in error.failure.message
        assert "Free some room" in error.hint
    else:
        raise AssertionError("the disk never got full")
    assert len(saved) > 10

    try:  # whatever does not fit must not happen by half
        while True:
            await store.tokens.create(f"more-{len(await store.tokens.ls())}", ["chat"])
    except SamovarError as error:
        assert error.code == FailureCode.DISK_FULL, error
    names = {token.name for token in await store.tokens.ls()}

    assert [model.key for model in await store.models.ls()] == saved
    ballast.unlink()
    await store.models.put(row(999))
    await store.close()

    store = await Store.open(path)
    assert [model.key for model in await store.models.ls()] == [*saved, "p/999"]
    assert {token.name for token in await store.tokens.ls()} == names
    assert store.tokens.check(secret) is not None
    await store.close()

    with (folder / "rest").open("wb", buffering=0) as rest:
        try:
            while True:
                rest.write(bytes(512))
        except OSError:
            pass
    try:
        await Store.open(folder / "another.db")
    except SamovarError as error:
        assert error.code == FailureCode.DISK_FULL, error
    else:
        raise AssertionError("a store was made on a full disk")


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
    print("all checked")
