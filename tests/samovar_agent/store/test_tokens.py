"""API tokens: shown once, stored hashed, revoked at once."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from samovar_agent.store.store import Store
from samovar_agent.store.tokens import has_expired
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import TokenInfo


async def test_a_secret_opens_its_token_and_nothing_else_does(store: Store) -> None:
    token, secret = await store.tokens.create("editor", ["chat", "embed"])
    other, other_secret = await store.tokens.create("script", ["admin"])
    assert re.fullmatch(r"sk-samovar-[A-Za-z0-9_-]{43}", secret)
    assert store.tokens.check(secret) == token
    assert store.tokens.check(other_secret) == other
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), "sk-samovar-", "é", "\udcff"):
        assert store.tokens.check(wrong) is None


async def test_the_secret_is_not_in_the_file(store: Store) -> None:
    _, secret = await store.tokens.create("editor", ["chat"])
    await store.run(lambda db: None)
    for file in store.path.parent.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert secret[-30:].encode() not in file.read_bytes()


async def test_a_live_name_is_taken_a_revoked_one_is_free(store: Store) -> None:
    await store.tokens.create("editor", ["chat"])
    with pytest.raises(SamovarError) as caught:
        await store.tokens.create("editor", ["admin"])
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert (await store.tokens.ls())[0].scopes == ["chat"]
    await store.tokens.revoke("editor")
    await store.tokens.create("editor", ["embed"])
    assert [(token.scopes, token.revoked_at is None) for token in await store.tokens.ls()] == [
        (["embed"], True),
        (["chat"], False),
    ]


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2Jgone", "tab\t", " ", "\u202ereversed"])
async def test_a_name_is_a_line_of_text(store: Store, name: str) -> None:
    with pytest.raises(SamovarError) as caught:
        await store.tokens.create(name, ["chat"])
    assert caught.value.code == FailureCode.BAD_REQUEST and caught.value.failure.details == {"param": "name"}
    assert not await store.tokens.ls()
    await store.tokens.create("Büro 2, Küche 厨房", ["chat"])


async def test_hints_can_be_typed_and_what_is_revoked_is_said_to_be(store: Store) -> None:
    await store.tokens.create("my laptop", ["chat"])
    with pytest.raises(SamovarError, match="token revoke 'my laptop'"):
        await store.tokens.create("my laptop", ["chat"])
    await store.tokens.revoke("my laptop")
    with pytest.raises(SamovarError, match="'my laptop' is revoked already"):
        await store.tokens.revoke("my laptop")


async def test_of_two_at_once_one_gets_the_name(store: Store) -> None:
    results = await asyncio.gather(*(store.tokens.create("editor", ["chat"]) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, SamovarError) for result in results) == 4
    assert len(await store.tokens.ls()) == 1


async def test_revocation_is_at_once_and_listeners_are_told(store: Store) -> None:
    told: list[TokenInfo] = []
    stop = store.tokens.on_revoke(told.append)
    _, secret = await store.tokens.create("editor", ["chat"])
    _, kept = await store.tokens.create("script", ["chat"])
    revoked = await store.tokens.revoke("editor")
    assert revoked.revoked_at is not None
    assert told == [revoked]
    assert store.tokens.check(secret) is None
    assert store.tokens.check(kept) is not None
    stop()
    await store.tokens.revoke("script")
    assert told == [revoked]


async def test_an_unknown_or_revoked_name_is_not_found(store: Store) -> None:
    await store.tokens.create("editor", ["chat"])
    await store.tokens.revoke("editor")
    for name in ("editor", "nobody"):
        with pytest.raises(SamovarError) as caught:
            await store.tokens.revoke(name)
        assert caught.value.code == FailureCode.NOT_FOUND


async def test_whoever_gives_up_while_revoking_still_revokes(store: Store) -> None:
    _, secret = await store.tokens.create("editor", ["chat"])
    revoking = asyncio.ensure_future(store.tokens.revoke("editor"))
    await asyncio.sleep(0)
    revoking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await revoking
    await store.tokens.ls()  # queued behind the revocation
    await asyncio.sleep(0)
    assert store.tokens.check(secret) is None
    assert (await store.tokens.ls())[0].revoked_at is not None


async def test_tokens_live_on_and_stay_revoked_after_a_restart(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    assert not store.tokens.any()
    token, secret = await store.tokens.create("editor", ["chat", "models"])
    _, gone = await store.tokens.create("old", ["chat"])
    await store.tokens.revoke("old")
    await store.close()

    store = await Store.open(tmp_path / "samovar.db")
    assert store.tokens.any()
    assert store.tokens.check(secret) == token
    assert store.tokens.check(gone) is None
    await store.tokens.revoke("editor")
    assert not store.tokens.any()
    await store.close()


async def test_an_expired_token_is_told_apart_and_listeners_hear_of_it(store: Store) -> None:
    told: list[TokenInfo] = []
    store.tokens.on_revoke(told.append)
    token, secret = await store.tokens.create("guest", ["chat"], lifetime_seconds=0.2)
    _, kept = await store.tokens.create("editor", ["chat"], lifetime_seconds=3600)
    assert store.tokens.check(secret) == token and not has_expired(token)
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.01)
    assert told == [token] and token.revoked_at is None
    found = store.tokens.check(secret)
    assert found is not None and has_expired(found)
    alive = store.tokens.check(kept)
    assert alive is not None and not has_expired(alive)


async def test_several_expire_one_after_the_other(store: Store) -> None:
    told: list[str] = []
    store.tokens.on_revoke(lambda token: told.append(token.name))
    for name, seconds in (("c", 0.3), ("a", 0.1), ("b", 0.2)):
        await store.tokens.create(name, ["chat"], lifetime_seconds=seconds)
    async with asyncio.timeout(10):
        while len(told) < 3:
            await asyncio.sleep(0.01)
    assert told == ["a", "b", "c"]
    assert not store.tokens.any()


async def test_the_name_of_an_expired_token_is_free(store: Store) -> None:
    token, old = await store.tokens.create("guest", ["chat"], lifetime_seconds=0.001)
    async with asyncio.timeout(10):
        while not has_expired(token):
            await asyncio.sleep(0.001)
    _, new = await store.tokens.create("guest", ["embed"])
    listed = await store.tokens.ls()
    assert [(found.scopes, found.revoked_at == found.expires_at) for found in listed] == [
        (["embed"], True),
        (["chat"], True),
    ]
    assert listed[1].revoked_at is not None
    await store.tokens.revoke("guest")
    assert store.tokens.check(new) is None
    assert store.tokens.check(old) is not None


async def test_expiry_outlives_a_restart(store: Store) -> None:
    token, secret = await store.tokens.create("guest", ["chat"], lifetime_seconds=0.05)
    await store.close()
    async with asyncio.timeout(10):
        while not has_expired(token):
            await asyncio.sleep(0.01)
    again = await Store.open(store.path)
    found = again.tokens.check(secret)
    assert found is not None and has_expired(found) and not again.tokens.any()
    await again.close()


async def test_when_a_token_was_used_is_told_and_kept(store: Store) -> None:
    _, secret = await store.tokens.create("editor", ["chat"])
    assert (await store.tokens.ls())[0].last_used_at is None
    before = time.time()
    store.tokens.check(secret)
    used = (await store.tokens.ls())[0].last_used_at
    assert used is not None and used >= before
    store.tokens.check(secret)
    await store.close()
    again = await Store.open(store.path)
    later = (await again.tokens.ls())[0].last_used_at
    assert later is not None and later >= used
    await again.close()
