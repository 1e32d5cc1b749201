"""API tokens: stored as hashes, checked in memory, so that a request never waits for the disk."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Scope, TokenInfo

if TYPE_CHECKING:
    from sqlite_utils import Database

    from samovar_agent.store.store import Store

log = logging.getLogger("samovar.store")

_PREFIX = "sk-samovar-"
_SHOWN = len(_PREFIX) + 4
"""Characters of a secret that are kept to recognise it by; what remains is still 232 random bits."""

Revoked = Callable[[TokenInfo], None]

_LONGEST_WAIT_SECONDS = 60.0
"""Between two looks at the clock, which may be set, and stands still for timers while the machine sleeps."""

_USE_SECONDS = 60.0
"""At most so often it is written down that tokens were used."""


class Tokens:
    """The table `tokens`, and the live ones in memory. Used from the event loop's thread only.

    Those that have expired stay in memory until the agent's next start, so that who still uses one can be told.
    A change is shielded from the cancellation of whoever asked for it, or the disk could say "revoked" while memory
    still says "live".
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: dict[bytes, TokenInfo] = {}
        self._used: dict[bytes, float] = {}
        self._listeners: list[Revoked] = []
        self._looked_at = 0.0
        self._expiry: asyncio.TimerHandle | None = None
        self._noting: asyncio.TimerHandle | None = None
        self._notes: set[asyncio.Task[None]] = set()

    async def create(
        self, name: str, scopes: Sequence[Scope], *, lifetime_seconds: float | None = None
    ) -> tuple[TokenInfo, str]:
        """A new token and its secret, which is nowhere else: `sk-samovar-` and 43 characters.

        - name: for people; unique among live tokens, and a line of text, since logs name it. Raises `bad_request` where
        it is taken, or no such line. - lifetime_seconds: until it expires; None never.
        """
        if not name.isprintable() or name.isspace():
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                "A token's name is a line of text without control characters.",
                hint="Choose another name.",
                details={"param": "name"},
            )
        return await asyncio.shield(self._create(name, scopes, lifetime_seconds))

    async def _create(
        self, name: str, scopes: Sequence[Scope], lifetime_seconds: float | None
    ) -> tuple[TokenInfo, str]:
        secret = _PREFIX + secrets.token_urlsafe(32)
        now = time.time()
        expires_at = None if lifetime_seconds is None else now + lifetime_seconds
        token = TokenInfo(name=name, scopes=list(dict.fromkeys(scopes)), created_at=now, expires_at=expires_at)
        digest = _digest(secret)
        values = [name, msgspec.json.encode(token.scopes).decode(), digest.hex(), secret[:_SHOWN], now, expires_at]

        def add(db: Database) -> int:
            # The name of one that has expired is free.
            db.execute(
                "UPDATE tokens SET revoked_at = expires_at WHERE name = ? AND revoked_at IS NULL AND expires_at <= ?",
                [name, now],
            )
            return db.execute(
                "INSERT INTO tokens (name, scopes, hash, prefix, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING",
                values,
            ).rowcount

        if not await self._store.run(add):
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"There is a token called '{name}' already.",
                hint=f"Choose another name, or `samovar server token revoke {shlex.quote(name)}` first.",
            )
        self._live[digest] = token
        self._await_expiry()
        return token, secret

    async def ls(self) -> list[TokenInfo]:
        """All tokens, newest first, revoked and expired ones too."""
        await self._note_uses()
        rows = await self._store.run(lambda db: list(db["tokens"].rows_where(select=_COLUMNS, order_by="id DESC")))
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
            gone = any(token.name == name for token in await self.ls())
            raise SamovarError(
                FailureCode.NOT_FOUND,
                f"The token '{name}' is revoked already." if gone else f"There is no token called '{name}'.",
                hint="See `samovar server token ls`.",
            )
        # The newest of that name; one that expired before may still be here.
        digest = next(digest for digest, token in reversed(self._live.items()) if token.name == name)
        token = msgspec.structs.replace(self._live.pop(digest), revoked_at=now)
        for listener in tuple(self._listeners):
            listener(token)
        return token

    def check(self, secret: str) -> TokenInfo | None:
        """The token that has this secret, or None; it may have expired, see `has_expired`.

        Takes the same time whichever it is.
        """
        if not self._live:
            return None
        digest = _digest(secret)
        found = None
        for known in self._live:
            if hmac.compare_digest(known, digest):
                found = known
        if found is None:
            return None
        token = self._live[found]
        if not has_expired(token):
            self._used[found] = time.time()
            if self._noting is None:
                self._noting = asyncio.get_running_loop().call_later(_USE_SECONDS, self._note_soon)
        return token

    def any(self) -> bool:
        """Whether there is a live token at all."""
        return not all(map(has_expired, self._live.values()))

    def on_revoke(self, listener: Revoked) -> Callable[[], None]:
        """Call `listener(token)` when one is revoked or expires, e.g. to end open streams.

        The returned function ends it. Of one that expired, `revoked_at` is None.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def read(self) -> None:
        """Bring the live tokens into memory."""
        rows = await self._store.run(
            lambda db: list(db["tokens"].rows_where("revoked_at IS NULL", select=f"{_COLUMNS}, hash", order_by="id"))
        )
        self._live = {bytes.fromhex(str(row["hash"])): _token(row) for row in rows}
        self._looked_at = time.time()
        self._await_expiry()

    async def close(self) -> None:
        """Write down what was used, and look at the clock no more."""
        for timer in (self._expiry, self._noting):
            if timer is not None:
                timer.cancel()
        await self._note_uses()

    def _await_expiry(self) -> None:
        """Wait for the next one that expires."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        coming = [at for token in self._live.values() if (at := token.expires_at) is not None and at > self._looked_at]
        if coming:
            wait = min(max(min(coming) - time.time(), 0.0), _LONGEST_WAIT_SECONDS)
            self._expiry = asyncio.get_running_loop().call_later(wait, self._expire)

    def _expire(self) -> None:
        before, self._looked_at = self._looked_at, time.time()
        for token in tuple(self._live.values()):
            if token.expires_at is not None and before < token.expires_at <= self._looked_at:
                for listener in tuple(self._listeners):
                    listener(token)
        self._await_expiry()

    def _note_soon(self) -> None:
        self._noting = None
        noting = asyncio.create_task(self._note_uses())
        self._notes.add(noting)
        noting.add_done_callback(self._notes.discard)

    async def _note_uses(self) -> None:
        used, self._used = self._used, {}
        if used:
            rows = [(at, digest.hex()) for digest, at in used.items()]
            try:
                await self._store.run(
                    lambda db: db.conn.executemany("UPDATE tokens SET last_used_at = ? WHERE hash = ?", rows)
                )
            except SamovarError as error:
                log.warning("when tokens were used could not be written down: %s", error)


_COLUMNS = "name, scopes, created_at, revoked_at, expires_at, last_used_at"


def has_expired(token: TokenInfo) -> bool:
    """Whether it is worthless by now."""
    return token.expires_at is not None and token.expires_at <= time.time()


def _token(row: dict[str, object]) -> TokenInfo:
    return msgspec.convert({**row, "scopes": msgspec.json.decode(str(row["scopes"]))}, TokenInfo)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
