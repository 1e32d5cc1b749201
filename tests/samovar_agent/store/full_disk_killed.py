"""Run by `test_reserve` on a disk of eight megabytes: an agent is killed, and then there is no room at all.

python -m tests.samovar_agent.store.full_disk_killed FOLDER [kill]
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from samovar_agent.store import reserve
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.store.documents_made import folder as folder_of
from tests.samovar_agent.store.documents_made import queued

_DOCUMENTS = 20


async def killed(folder: Path) -> None:
    """End in the middle of reading."""
    store = await Store.open(folder / "samovar.db")
    source = await folder_of(store)
    for number in range(_DOCUMENTS):
        await queued(store, source, f"/papers/{number}")
    assert len(await store.documents.take(_DOCUMENTS)) == _DOCUMENTS
    os.kill(os.getpid(), signal.SIGKILL)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as rest:
        try:
            while True:
                rest.write(bytes(512))
        except OSError:
            return


async def check(folder: Path) -> None:
    path = folder / "samovar.db"
    subprocess.run([sys.executable, "-m", __spec__.name, str(folder), "kill"], check=False)
    reserved = folder / "samovar.db-reserve"
    assert reserved.exists()
    fill(folder / "rest")
    kept = folder / "kept"
    reserved.rename(kept)  # without it
    store = await Store.open(path)
    assert await store.documents.counts() == {"indexing": _DOCUMENTS}, "what can wait waits for room"
    try:
        await store.documents.mark_interrupted()
    except SamovarError as error:
        assert error.code == FailureCode.DISK_FULL, error
    else:
        raise AssertionError("the disk was not full, or nothing had to be written")
    await store.close()
    kept.rename(reserved)
    store = await Store.open(path)
    assert not reserved.exists()
    assert len(await store.documents.take(100)) == _DOCUMENTS
    assert await store.check() is None
    await store.close()
    (folder / "rest").unlink()
    await (await Store.open(path)).close()
    assert reserved.exists(), "there is room again"


if __name__ == "__main__":
    reserve.LEAST_FREE = 2 * 1024 * 1024
    asyncio.run((killed if sys.argv[2:] else check)(Path(sys.argv[1])))
    print("all checked")
