"""What the agent's faces (control socket, HTTP) may use; built once by `app`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from samovar_agent.documents.conversations import ConversationService
from samovar_agent.documents.service import DocumentService
from samovar_agent.engine.instances import Instances
from samovar_agent.events import EventBus
from samovar_agent.models.catalog_service import CatalogService
from samovar_agent.models.downloads import Downloads
from samovar_agent.models.library import Library
from samovar_agent.network.gate import Gate
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import Places
from samovar_protocol.values import HttpInfo


@dataclass(slots=True, kw_only=True)
class Services:
    """One of each.

    - stop: begin an orderly shutdown. - http: where the local server listens.
    - settings_lock: held while the settings file is rewritten.
    """

    places: Places
    settings: SettingsFile
    events: EventBus
    store: Store
    gate: Gate
    library: Library
    catalog: CatalogService
    downloads: Downloads
    instances: Instances
    documents: DocumentService
    conversations: ConversationService
    stop: Callable[[], None]
    http: HttpInfo = field(default_factory=HttpInfo)
    started_at: float = field(default_factory=time.time)
    settings_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
