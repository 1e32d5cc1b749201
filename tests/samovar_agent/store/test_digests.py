from samovar_agent.store.digests import DigestRow
from samovar_agent.store.store import Store


def row(path: str, sha256: str = "ab" * 32) -> DigestRow:
    return DigestRow(path=path, size_bytes=5, sha256=sha256, recorded_at=1.5)


async def test_rows_come_back(store: Store) -> None:
    assert await store.digests.ls() == {}
    await store.digests.put(row("/a"))
    await store.digests.put(row("/b"))
    await store.digests.put(row("/a", "cd" * 32))
    assert await store.digests.ls() == {"/a": row("/a", "cd" * 32), "/b": row("/b")}
    await store.digests.delete(["/a", "/never"])
    assert list(await store.digests.ls()) == ["/b"]
