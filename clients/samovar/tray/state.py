"""What the tray knows: one value, made from the agent's status and brought up to date by its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from samovar_protocol.events import (
    DownloadChanged,
    Event,
    HttpChanged,
    InstanceChanged,
    NetworkChanged,
    Stopping,
)
from samovar_protocol.replies import StatusReply
from samovar_protocol.values import DownloadInfo, HttpInfo, InstanceInfo, ModelInfo, NetworkInfo, NetworkPolicy
from samovar_protocol.wire import EventMessage

GONE = ("stopped", "failed")
"""Instance states after which the model is no longer in memory."""
OVER = ("done", "failed", "cancelled")
"""Download states after which nothing more comes."""


@dataclass(frozen=True, slots=True)
class TrayState:
    """The agent as the tray sees it.

    - connected: an agent answers. - stopping: it said goodbye. - starting: the user asked for it.
    - sequence: number of the last event contained in this state.
    - instances: by identifier, oldest first. - downloads: those that are not over.
    - asked: models whose load or unload was asked for here and is not answered yet.
    - online_policy: the policy that ends working offline.
    - problem: why the last action failed; None after the next success.
    """

    connected: bool = False
    stopping: bool = False
    starting: bool = False
    version: str = ""
    sequence: int = 0
    http: HttpInfo = field(default_factory=HttpInfo)
    network: NetworkInfo | None = None
    models: tuple[ModelInfo, ...] = ()
    instances: tuple[InstanceInfo, ...] = ()
    downloads: tuple[DownloadInfo, ...] = ()
    asked: frozenset[str] = frozenset()
    online_policy: NetworkPolicy = "online"
    problem: str | None = None

    def joined(
        self, status: StatusReply, models: Iterable[ModelInfo], downloads: Iterable[DownloadInfo] = ()
    ) -> TrayState:
        """The state of an agent that was just reached, or asked again after a loss."""
        return replace(
            self,
            connected=True,
            stopping=False,
            starting=False,
            version=status.version,
            sequence=status.sequence,
            http=status.http,
            models=tuple(models),
            instances=tuple(status.instances),
            downloads=tuple(download for download in downloads if download.state not in OVER),
            problem=self.problem if self.connected else None,
        )._with_network(status.network)

    def left(self) -> TrayState:
        """The state when nobody answers any more; only the user's own wishes are kept."""
        return TrayState(starting=self.starting, online_policy=self.online_policy)

    def lost_events_before(self, message: EventMessage) -> bool:
        """Whether events are missing between this state and `message`, so that the agent must be asked again."""
        return message.sequence > self.sequence + 1

    def apply(self, message: EventMessage) -> TrayState:
        """The state after `message`; itself where it contains the event already."""
        if message.sequence <= self.sequence:
            return self
        return replace(self, sequence=message.sequence)._after(message.event)

    def instances_of(self, model: str) -> list[InstanceInfo]:
        """The model's instances that are in memory or on their way."""
        return [instance for instance in self.instances if instance.model == model]

    def _after(self, event: Event) -> TrayState:
        match event:
            case InstanceChanged(instance=instance):
                return self._with_instance(instance)
            case DownloadChanged(download=download):
                return self._with_download(download)
            case NetworkChanged(network=network):
                return self._with_network(network)
            case HttpChanged(http=http):
                return replace(self, http=http)
            case Stopping():
                return replace(self, stopping=True)
            case _:
                return self

    def _with_download(self, download: DownloadInfo) -> TrayState:
        known = {other.id: other for other in self.downloads}
        if download.state in OVER:
            known.pop(download.id, None)
        else:
            known[download.id] = download
        failed = download.state == "failed"
        problem = f"{download.name}: {download.problem or 'the download failed'}" if failed else self.problem
        return replace(self, downloads=tuple(known.values()), problem=problem)

    def _with_network(self, network: NetworkInfo) -> TrayState:
        online = self.online_policy if network.policy == "offline" else network.policy
        return replace(self, network=network, online_policy=online)

    def _with_instance(self, instance: InstanceInfo) -> TrayState:
        known = {other.identifier: other for other in self.instances}
        before = known.get(instance.identifier)
        problem = self.problem
        if instance.state in GONE:
            known.pop(instance.identifier, None)
            if instance.state == "failed":
                problem = instance.problem or f"{instance.identifier} failed."
        else:
            known[instance.identifier] = instance
            # Only becoming ready is a success; a ready instance also tells of every request it serves.
            if instance.state == "ready" and (before is None or before.state != "ready"):
                problem = None
        return replace(self, instances=tuple(known.values()), problem=problem)
