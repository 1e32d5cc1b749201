"""The composition root: builds every part once, in order, and takes them down in the reverse order.

Nothing here waits for the network. A part that cannot work says so in `status`, `doctor` and the log; only a settings
file that cannot be read, a database newer than this program, or another running agent keep the agent from starting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from contextlib import AsyncExitStack
from functools import partial

from samovar_agent import __version__, logs, tray
from samovar_agent.control.server import ControlServer
from samovar_agent.control.sockets import Keys
from samovar_agent.documents.conversations import ConversationService
from samovar_agent.documents.service import DocumentService
from samovar_agent.engine.instances import Instances
from samovar_agent.engine.machine import available_bytes
from samovar_agent.engine.residents import SnapshotPlaces
from samovar_agent.event_log import EventLog
from samovar_agent.events import EventBus
from samovar_agent.http.server import HttpServer
from samovar_agent.models.catalog import Catalog
from samovar_agent.models.catalog_service import CatalogService
from samovar_agent.models.downloads import Downloads
from samovar_agent.models.library import Library
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http
from samovar_agent.network.hub import Hub
from samovar_agent.network.scheduler import Scheduler
from samovar_agent.network.watcher import Watcher
from samovar_agent.platforms.model_folders import ModelFolders
from samovar_agent.services import Services
from samovar_agent.settings import SettingsFile
from samovar_agent.stopping import Stopping
from samovar_agent.store.store import Store
from samovar_protocol import PROTOCOL_VERSION, Endpoint, Places

log = logging.getLogger("samovar.agent")


async def run(
    places: Places, *, with_tray: bool = True, foreground: bool = False, stop_within: float | None = None
) -> None:
    """Run the agent until it is told to stop (`samovar down`, SIGTERM, SIGINT).

    - places: where its files are. - with_tray: start the tray where one can exist. - foreground: log to stderr too.
    - stop_within: so many seconds after that the process ends, whatever still goes on in it.
    """
    _withdraw_endpoint(places)  # a killed agent's
    settings = SettingsFile(places.config_file)
    logs.configure(places.log_file, level=settings.current.logs.level, foreground=foreground)
    stopping = asyncio.Event()
    end = Stopping(stop_within)
    async with AsyncExitStack() as stack:
        services = await _services(places, settings, stopping, stack, end)
        keys = Keys.generate()
        control = ControlServer(services, places, keys)
        stack.push_async_callback(end.part, "the control socket", control.stop)
        stack.push_async_callback(end.part, "downloads", services.downloads.close)
        stack.push_async_callback(end.part, "the engine", services.instances.close)
        stack.push_async_callback(end.part, "documents", services.documents.close)
        http = HttpServer(services)
        services.http = await http.start()
        # What is pushed last is called first: streams end with `shutting_down` while the sockets that say so live.
        stack.push_async_callback(end.part, "the local server", http.stop)
        _stop_on_signals(stopping)  # before anybody can find this agent and tell it to stop
        _publish_endpoint(places, keys, control, services)
        stack.callback(_withdraw_endpoint, places)
        await _begin_background(services, stack, end)
        if with_tray and settings.current.tray.enabled and tray.possible():
            process = tray.TrayProcess()
            await process.start()
            stack.push_async_callback(end.part, "the tray", process.stop)
        log.info("agent started", extra={"version": __version__, "pid": os.getpid(), "http": services.http.urls})
        await stopping.wait()
        log.info("agent is stopping")
        end.begin()
        control.refuse_new()
    log.info("agent stopped")


async def _services(
    places: Places, settings: SettingsFile, stopping: asyncio.Event, stack: AsyncExitStack, end: Stopping
) -> Services:
    events = EventBus()
    events.subscribe(EventLog())
    store = await Store.open(places.database_file)
    stack.push_async_callback(end.part, "the store", store.close)
    gate = Gate(settings, store, Connectivity(), events)
    http = Http(settings)
    stack.push_async_callback(end.part, "the network", http.close)
    hub = Hub(gate, settings, http)
    library = Library(places=places, settings=settings, events=events, store=store, others=ModelFolders.find())
    stack.push_async_callback(end.part, "the models' folders", library.close)
    await library.open()
    catalog = CatalogService(
        catalog=Catalog.built_in(),
        store=store,
        hub=hub,
        library=library,
        settings=settings,
        free_memory=available_bytes,
        gate=gate,
        http=http,
    )
    stack.push_async_callback(end.part, "the catalog", catalog.close)
    downloads = Downloads(
        places=places,
        store=store,
        library=library,
        gate=gate,
        http=http,
        hub=hub,
        events=events,
        catalog=catalog,
        settings=settings,
    )
    instances = Instances(
        library=library,
        settings=settings,
        events=events,
        logs=places.logs,
        snapshots=SnapshotPlaces(places.data / "snapshots", places.run / "snapshots.key"),
    )
    conversations = ConversationService(store, events)
    documents = DocumentService(
        store=store,
        instances=instances,
        library=library,
        settings=settings,
        events=events,
        places=places,
        conversations=conversations,
    )
    return Services(
        places=places,
        settings=settings,
        events=events,
        store=store,
        gate=gate,
        library=library,
        catalog=catalog,
        downloads=downloads,
        instances=instances,
        documents=documents,
        conversations=conversations,
        stop=stopping.set,
    )


async def _begin_background(services: Services, stack: AsyncExitStack, end: Stopping) -> None:
    """What goes on by itself from here: downloads that were interrupted, folders, the network, refreshes."""
    await services.downloads.open()
    await services.documents.open()
    watching = asyncio.create_task(services.library.watch(), name="model folders")
    stack.push_async_callback(end.part, "watching the models' folders", partial(_cancelled, watching))
    watcher = Watcher(services.gate)
    watcher.start()
    stack.push_async_callback(end.part, "the network's watcher", watcher.stop)
    scheduler = Scheduler(services.gate, services.store, services.events)
    scheduler.add(
        "catalog refresh",
        lambda: services.settings.current.network.refresh_hours * 3600,
        lambda: services.catalog.refresh(requester="scheduler", asked=False),
    )
    scheduler.start()
    stack.push_async_callback(end.part, "the scheduler", scheduler.stop)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _publish_endpoint(places: Places, keys: Keys, control: ControlServer, services: Services) -> None:
    Endpoint(
        protocol=PROTOCOL_VERSION,
        version=__version__,
        pid=os.getpid(),
        control=control.sockets.control,
        events=control.sockets.events,
        http=services.http.urls,
        server_key=keys.server.decode(),
        client_key=keys.client.decode(),
        client_secret=keys.client_secret.decode(),
    ).write(places.endpoint_file)


def _withdraw_endpoint(places: Places) -> None:
    places.endpoint_file.unlink(missing_ok=True)


def _stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows' loops take no signal handlers; there Ctrl-C arrives as KeyboardInterrupt and services end processes.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopping.set)
