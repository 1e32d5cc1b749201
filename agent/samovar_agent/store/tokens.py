"""API tokens: stored as hashes, checked in memory, so that a request never waits for the disk."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Scope, TokenInfo

if TYPE_CHECKING:
    from samovar_agent.store.store import Store

_PREFIX = "sk-samovar-"
_SHOWN = len(_PREFIX) + 4
"""Characters of a secret that are kept to recognise it by; what remains is still 232 random bits."""

Revoked = Callable[[TokenInfo], None]


class Tokens:
    """The table `tokens`, and the live ones in memory. Used from the event loop's thread only.

    A change is shielded from the cancellation of whoever asked for it, or the disk could say "revoked" while memory
    still says "live".
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: dict[bytes, TokenInfo] = {}
        self._listeners: list[Revoked] = []

    async def create(self, name: str, scopes: Sequence[Scope]) -> tuple[TokenInfo, str]:
        """A new token and its secret, which is nowhere else: `sk-samovar-` and 43 characters.

        - name: for people; unique among live tokens. Raises `bad_request` where it is taken.
        """
        return await asyncio.shield(self._create(name, scopes))

    async def _create(self, name: str, scopes: Sequence[Scope]) -> tuple[TokenInfo, str]:
        secret = _PREFIX + secrets.token_urlsafe(32)
        token = TokenInfo(name=name, scopes=list(dict.fromkeys(scopes)), created_at=time.time())
        digest = _digest(secret)
        values = [name, msgspec.json.encode(token.scopes).decode(), digest.hex(), secret[:_SHOWN], token.created_at]

        added = await self._store.run(
            lambda db: (
                db.execute(
                    "INSERT INTO tokens (name, scopes, hash, prefix, created_at) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING",
                    values,
                ).rowcount
            )
        )
        if not added:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"There is a token called '{name}' already.",
                hint=f"Choose another name, or `samovar server token revoke {name}` first.",
            )
        self._live[digest] = token
        return token, secret

    async def ls(self) -> list[TokenInfo]:
        """All tokens, newest first, revoked ones too."""
        rows = await self._store.run(
            lambda db: list(db.query("SELECT name, scopes, created_at, revoked_at FROM tokens ORDER BY id DESC"))
        )
        return [_token(row) for row in rows]

    async def revoke(self, name: str) -> TokenInfo:
        """Make the live token of this name worthless, now and for ever; whoever asked by `on_revoke` is told.

        Raises `not_found`.
        """
        return await asyncio.shield(self._revoke(name))

    async def _revoke(self, name: str) -> TokenInfo:
        now = time.time()
        changed = await self._store.run(
            lambda db: (
                db.execute(
                    "UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL", [now, name]
                ).rowcount
            )
        )
        if not changed:
            raise SamovarError(
                FailureCode.NOT_FOUND, f"There is no token called '{name}'.", hint="See `samovar server token ls`."
            )
        digest = next(digest for digest, token in self._live.items() if token.name == name)
        token = msgspec.structs.replace(self._live.pop(digest), revoked_at=now)
        for listener in tuple(self._listeners):
            listener(token)
        return token

    def check(self, secret: str) -> TokenInfo | None:
        """The live token that has this secret, or None. Takes the same time whichever it is."""
        digest = _digest(secret)
        found = None
        for known, token in self._live.items():
            if hmac.compare_digest(known, digest):
                found = token
        return found

    def any(self) -> bool:
        """Whether there is a live token at all."""
        return bool(self._live)

    def on_revoke(self, listener: Revoked) -> Callable[[], None]:
        """Call `listener(token)` at each revocation, e.g. to end open streams; the returned function ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def read(self) -> None:
        """Bring the live tokens into memory."""
        rows = await self._store.run(
            lambda db: list(
                db.query("SELECT name, scopes, created_at, revoked_at, hash FROM tokens WHERE revoked_at IS NULL")
            )
        )
        self._live = {bytes.fromhex(str(row["hash"])): _token(row) for row in rows}


def _token(row: dict[str, object]) -> TokenInfo:
    return msgspec.convert({**row, "scopes": msgspec.json.decode(str(row["scopes"]))}, TokenInfo)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
