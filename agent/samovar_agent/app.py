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

from samovar_agent import __version__, logs, tray
from samovar_agent.control.server import ControlServer
from samovar_agent.control.sockets import Keys
from samovar_agent.engine.instances import Instances
from samovar_agent.events import EventBus
from samovar_agent.http.server import HttpServer
from samovar_agent.models.catalog import Catalog
from samovar_agent.models.downloads import Downloads
from samovar_agent.models.library import Library
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.services import Services
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store
from samovar_protocol import PROTOCOL_VERSION, Endpoint, Places
from samovar_protocol.events import AnyEvent, DownloadChanged, InstanceChanged, NetworkChanged

log = logging.getLogger("samovar.agent")


async def run(places: Places, *, with_tray: bool = True, foreground: bool = False) -> None:
    """Run the agent until it is told to stop (`samovar down`, SIGTERM, SIGINT).

    - places: where its files are. - with_tray: start the tray where one can exist. - foreground: log to stderr too.
    """
    _withdraw_endpoint(places)  # a killed agent's
    settings = SettingsFile(places.config_file)
    logs.configure(places.log_file, level=settings.current.logs.level, foreground=foreground)
    stopping = asyncio.Event()
    async with AsyncExitStack() as stack:
        services = await _services(places, settings, stopping, stack)
        keys = Keys.generate()
        control = ControlServer(services, places, keys)
        stack.push_async_callback(control.stop)
        stack.push_async_callback(services.instances.close)
        http = HttpServer(services)
        services.http = await http.start()
        # What is pushed last is called first: streams end with `shutting_down` while the sockets that say so live.
        stack.push_async_callback(http.stop)
        _publish_endpoint(places, keys, control, services)
        stack.callback(_withdraw_endpoint, places)
        if with_tray and settings.current.tray.enabled and tray.possible():
            process = tray.TrayProcess()
            await process.start()
            stack.push_async_callback(process.stop)
        _stop_on_signals(stopping)
        log.info("agent started", extra={"version": __version__, "pid": os.getpid(), "http": services.http.urls})
        if services.http.problem:
            log.warning(services.http.problem)
        await stopping.wait()
        log.info("agent is stopping")
        control.refuse_new()
    log.info("agent stopped")


async def _services(places: Places, settings: SettingsFile, stopping: asyncio.Event, stack: AsyncExitStack) -> Services:
    events = EventBus()
    events.subscribe(_log_event)
    store = await Store.open(places.database_file)
    stack.push_async_callback(store.close)
    gate = Gate(settings, store, Connectivity(), events)
    library = Library(places=places, settings=settings, events=events, store=store)
    await library.open()
    downloads = Downloads(places=places, library=library, gate=gate, events=events, catalog=Catalog.built_in())
    stack.push_async_callback(downloads.close)
    return Services(
        places=places,
        settings=settings,
        events=events,
        store=store,
        gate=gate,
        library=library,
        downloads=downloads,
        instances=Instances(library=library, settings=settings, events=events, logs=places.logs),
        stop=stopping.set,
    )


def _log_event(sequence: int, time: float, request_id: str | None, event: AnyEvent) -> None:
    """What happened to models, for `samovar logs`; loading progress is left out."""
    match event:
        case InstanceChanged(instance=instance) if instance.state == "failed":
            log.error("%s failed: %s", instance.identifier, instance.problem, extra={"cause": request_id})
        case InstanceChanged(instance=instance) if instance.state in ("ready", "stopped") and not instance.active:
            state = "is loaded" if instance.state == "ready" else "is unloaded"
            log.info("%s %s", instance.identifier, state, extra={"cause": request_id})
        case DownloadChanged(outcome=str() as outcome):
            log.info("download of %s: %s", event.model, outcome, extra={"cause": request_id})
        case NetworkChanged(network=network):
            log.info("network policy %s, connected: %s", network.policy, network.connected)
        case _:
            pass


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
