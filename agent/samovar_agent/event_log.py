"""Writes to the log what happened to models, downloads and the network policy, for `samovar logs`.

events.subscribe(EventLog())
"""

from __future__ import annotations

import logging

from samovar_protocol.events import AnyEvent, DownloadChanged, InstanceChanged, NetworkChanged
from samovar_protocol.values import DownloadInfo, DownloadState, InstanceInfo, InstanceState

log = logging.getLogger("samovar.agent")


class EventLog:
    """A listener of the event bus. An instance is logged when its state changes, not at each request it serves."""

    def __init__(self) -> None:
        self._states: dict[str, InstanceState] = {}
        self._downloads: dict[int, DownloadState] = {}

    def __call__(self, sequence: int, time: float, cause: str | None, event: AnyEvent) -> None:
        """One line for what people look for; `cause` is the request's id, as clients know it."""
        match event:
            case InstanceChanged(instance=instance):
                self._instance(instance, cause)
            case DownloadChanged(download=download):
                self._download(download, cause)
            case NetworkChanged(network=network):
                connected = "connected" if network.connected else "not connected"
                log.info("network policy %s, %s", network.policy, connected, extra={"cause": cause})
            case _:
                pass

    def _download(self, download: DownloadInfo, cause: str | None) -> None:
        if self._downloads.get(download.id) == download.state:
            return
        self._downloads[download.id] = download.state
        if download.state in ("done", "failed", "cancelled"):
            del self._downloads[download.id]
        reason = f": {download.problem}" if download.problem else ""
        log.info("download of %s: %s%s", download.name, download.state, reason, extra={"cause": cause})

    def _instance(self, instance: InstanceInfo, cause: str | None) -> None:
        if self._states.get(instance.identifier) == instance.state:
            return
        self._states[instance.identifier] = instance.state
        if instance.state in ("stopped", "failed"):
            del self._states[instance.identifier]
        if instance.state == "failed":
            log.error("%s failed: %s", instance.identifier, instance.problem, extra={"cause": cause})
        elif instance.state in ("ready", "stopped"):
            state = "is loaded" if instance.state == "ready" else "is unloaded"
            log.info("%s %s", instance.identifier, state, extra={"cause": cause})
