"""What the agent tells everyone: state as it changes, so that no client has to poll."""

from __future__ import annotations

import msgspec

from samovar_protocol.documents import CollectionInfo, ConversationInfo
from samovar_protocol.values import DownloadInfo, HttpInfo, InstanceInfo, NetworkInfo, Setting


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events; the tag is also the topic to subscribe to."""


class Subscribed(Event, tag="subscribed", frozen=True, kw_only=True):
    """The agent has seen a new subscription; a client that has received this misses nothing from here on.

    Its message carries the number of the last event, not one of its own.
    """


class InstanceChanged(Event, tag="instance", frozen=True, kw_only=True):
    """A model in memory changed its state. After "stopped" or "failed" it is gone from `ps`."""

    instance: InstanceInfo


class LibraryChanged(Event, tag="library", frozen=True, kw_only=True):
    """Models came or went; `ls` again. - models: how many there are now."""

    models: int


class DownloadChanged(Event, tag="download", frozen=True, kw_only=True):
    """A download moved on or changed its state."""

    download: DownloadInfo


class CollectionChanged(Event, tag="collection", frozen=True, kw_only=True):
    """Something of a collection changed; about four times a second while it is read. - gone: it was removed."""

    collection: CollectionInfo
    gone: bool = False


class ConversationChanged(Event, tag="conversation", frozen=True, kw_only=True):
    """A conversation has a new message or title. - gone: it was removed."""

    conversation: ConversationInfo
    gone: bool = False


class SettingChanged(Event, tag="setting", frozen=True, kw_only=True):
    """A setting has a new value."""

    setting: Setting


class NetworkChanged(Event, tag="network", frozen=True, kw_only=True):
    """The policy changed, or the network came or went."""

    network: NetworkInfo


class HttpChanged(Event, tag="http", frozen=True, kw_only=True):
    """The local server listens elsewhere, or no longer."""

    http: HttpInfo


class Stopping(Event, tag="stopping", frozen=True, kw_only=True):
    """The agent is going down."""


AnyEvent = (
    Subscribed
    | InstanceChanged
    | LibraryChanged
    | DownloadChanged
    | CollectionChanged
    | ConversationChanged
    | SettingChanged
    | NetworkChanged
    | HttpChanged
    | Stopping
)
"""Every event of this version; a client skips types that it does not know."""
