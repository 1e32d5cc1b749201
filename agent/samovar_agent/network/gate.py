"""The gate: what leaves this machine passes here, is permitted by the policy, and leaves a row in the journal.

async with gate.connection("catalog", host, "scheduler", asked=False) as connection:
    ...
    connection.received(len(chunk))
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from samovar_agent.events import EventBus
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import AnyEvent, NetworkChanged, SettingChanged
from samovar_protocol.values import NetworkInfo, NetworkPolicy

Purpose = Literal["catalog", "search", "model-download", "runtime-download", "update-check"]
"""Why something leaves; there is no other reason."""

_POLICY = "network.policy"

log = logging.getLogger("samovar.network")


class Connection:
    """A permitted connection while it is open; whoever uses it counts its bytes.

    - host: where it goes; set it once it is known. - detail: what for, for people.
    - asked: a person asked for it. - bytes_received, bytes_sent: so far.
    """

    def __init__(self, host: str, detail: str, *, asked: bool) -> None:
        self.host = host
        self.by_way_of: dict[str, None] = {}
        self.detail = detail
        self.asked = asked
        self.bytes_received = 0
        self.bytes_sent = 0
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0
        self._cut: SamovarError | None = None

    @property
    def told(self) -> str:
        """`detail`, and the hosts that were asked as well but did not answer in the end."""
        others = ", ".join(host for host in self.by_way_of if host != self.host)
        return f"{self.detail} by way of {others}" if others else self.detail

    def received(self, count: int) -> None:
        """Count bytes that came in."""
        self.bytes_received += count

    def sent(self, count: int) -> None:
        """Count bytes that went out."""
        self.bytes_sent += count

    def cut(self, reason: SamovarError) -> None:
        """End it now: its user is cancelled, and whoever waits for that gets `reason`."""
        if self._task and self._cut is None:
            self._cut = reason
            self._task.cancel()

    def reason_of(self, cancelled: asyncio.CancelledError) -> BaseException:
        """What to raise for a cancellation: ours becomes the reason that `cut` was given, another's stays."""
        if self._cut and self._task and self._task.uncancel() <= self._cancelling:
            return self._cut
        return cancelled


class Gate:
    """Decides, counts and writes down. Used from the event loop's thread only.

    - settings: `network.policy` is read at each connection. - store: has the journal.
    - connectivity: is there a network. - events: told of changes; a change of the policy there holds at once, also for
      connections that are open.
    """

    def __init__(self, settings: SettingsFile, store: Store, connectivity: Connectivity, events: EventBus) -> None:
        self._settings = settings
        self._journal = store.journal
        self._connectivity = connectivity
        self._events = events
        self._open: set[Connection] = set()
        self._told = self.info()
        events.subscribe(self._notice)

    def info(self) -> NetworkInfo:
        """The policy, and whether there is a network."""
        return NetworkInfo(policy=self._settings.current.network.policy, connected=self._connectivity.connected())

    def refresh(self) -> NetworkInfo:
        """Look anew: a change is published, and open connections that the policy no longer allows are cut."""
        info = self.info()
        if info != self._told:
            self._events.publish(NetworkChanged(network=info))
        for connection in tuple(self._open):
            # Without a network an open connection fails by itself, or survives a short gap.
            if reason := refusal(info.policy, connected=True, asked=connection.asked):
                connection.cut(reason)
        return info

    @asynccontextmanager
    async def connection(
        self, purpose: Purpose, host: str, requester: str, *, asked: bool, detail: str = ""
    ) -> AsyncIterator[Connection]:
        """Permission to connect for as long as the block runs.

        - purpose: why. - host: where to; empty while unknown. - requester: who asked, for the journal.
        - asked: a person asked for exactly this; the policy "ask" allows nothing else. - detail: what for, for people.
        Raises `network_offline` where the policy or a missing network forbids it, also in the middle of the block.
        """
        row = await self._begin(purpose, host, requester, detail)
        info = self.refresh()
        connection = Connection(host, detail, asked=asked)
        outcome = "ok"
        try:
            if reason := refusal(info.policy, connected=info.connected, asked=asked):
                outcome = "refused"
                raise reason
            self._open.add(connection)
            yield connection
        except asyncio.CancelledError as cancelled:
            error = connection.reason_of(cancelled)
            outcome = "cancelled" if error is cancelled else f"failed: {_sentence(error)}"
            raise error from None
        except BaseException as error:
            if outcome != "refused":
                outcome = f"failed: {_sentence(error)}"
            raise
        finally:
            self._open.discard(connection)
            # Whoever is being cancelled must not take the journal's row with them.
            await asyncio.shield(self._end(row, outcome, connection))

    async def _end(self, row: int, outcome: str, connection: Connection) -> None:
        try:
            await self._journal.finish(
                row,
                outcome,
                host=connection.host,
                bytes_received=connection.bytes_received,
                bytes_sent=connection.bytes_sent,
                detail=connection.told,
            )
        except SamovarError as error:
            # The row stays open, and is "interrupted" at the next start; what came, or a cancellation, counts more.
            log.warning("the journal cannot be written: %s", error)

    async def _begin(self, purpose: Purpose, host: str, requester: str, detail: str) -> int:
        """A row in the journal, which is also finished where its requester is cancelled while it is written."""
        beginning = asyncio.ensure_future(self._journal.begin(purpose, host, requester, detail))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            await asyncio.shield(self._journal.finish(await beginning, "cancelled", host=host, detail=detail))
            raise

    def _notice(self, _sequence: int, _time: float, _cause: str | None, event: AnyEvent) -> None:
        if isinstance(event, NetworkChanged):
            self._told = event.network
        elif isinstance(event, SettingChanged) and event.setting.key == _POLICY:
            # Not here: an event published while another is on its way would overtake it.
            asyncio.get_running_loop().call_soon(self.refresh)


def refusal(policy: NetworkPolicy, *, connected: bool, asked: bool) -> SamovarError | None:
    """Why a connection may not be opened, or None where it may."""
    if policy == "offline":
        return SamovarError(
            FailureCode.NETWORK_OFFLINE,
            "Samovar is set to work offline.",
            hint="Allow it with `samovar network online`.",
        )
    if policy == "ask" and not asked:
        return SamovarError(
            FailureCode.NETWORK_OFFLINE,
            "The network policy is 'ask', and nobody asked for this connection.",
            hint="Ask for it yourself, or allow all with `samovar network online`.",
        )
    if not connected:
        return SamovarError(
            FailureCode.NETWORK_OFFLINE,
            "This machine is not connected to a network.",
            hint="Connect it and try again.",
        )
    return None


def _sentence(error: BaseException) -> str:
    if isinstance(error, SamovarError):
        return error.failure.message
    return f"{type(error).__name__}: {error}"
