"""The tray's life: stay connected, keep the state true, draw it, and do what is clicked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import replace

import samovar
from samovar.tray.menu import Action, Pause, Quit, Resume, SetPolicy, Start, Toggle, View, view
from samovar.tray.state import TrayState
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import LibraryChanged
from samovar_protocol.requests import (
    ConfigSet,
    Down,
    DownloadLs,
    DownloadPause,
    DownloadResume,
    Load,
    Ls,
    Status,
    Unload,
)
from samovar_protocol.wire import EventMessage

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
"""Seconds between two looks for an agent that is not there: doubled from the first to the longest."""

_AGENT_IS_GONE = {FailureCode.AGENT_NOT_RUNNING, FailureCode.SHUTTING_DOWN}


class Tray:
    """One tray, whatever draws it.

    - connect: makes a client; tests pass their own.
    - start_agent: starts the agent and blocks until it answers.
    Everything happens in the event loop that `run` was called in.
    """

    def __init__(
        self,
        connect: Callable[[], samovar.Client] = lambda: samovar.connect(name="samovar-tray"),
        start_agent: Callable[[], object] = lambda: samovar.start_agent(tray=False),
    ) -> None:
        self._connect = connect
        self._start_agent = start_agent
        self._state = TrayState()
        self._view = view(self._state)
        self._show: Callable[[View], None] = lambda _: None
        self._client: samovar.Client | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._ended = asyncio.Event()
        self._look_again = asyncio.Event()
        self._reached = asyncio.Event()

    async def run(self, show: Callable[[View], None]) -> None:
        """Show every change until the user quits, or until cancelled. - show: draws a view; the first comes at once."""
        self._show = show
        show(self._view)
        connection = self._spawn(self._stay_connected())
        end = self._spawn(self._ended.wait())
        try:
            await asyncio.wait({connection, end}, return_when=asyncio.FIRST_COMPLETED)
            if connection.done():
                connection.result()  # it ends only by a defect, which must not look like an agent that is away
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def click(self, item_id: str) -> None:
        """Do what the item does now; an item that has gone, or does nothing, is ignored."""
        item = self._view.find(item_id)
        if item is not None and item.action is not None:
            self._spawn(self._act(item.action))

    async def _stay_connected(self) -> None:
        pause = FIRST_PAUSE
        while True:
            problem = None
            try:
                async with self._connect() as client:
                    pause = FIRST_PAUSE
                    await self._follow(client)
            except SamovarError as error:
                problem = None if error.code in _AGENT_IS_GONE else str(error)
            self._client = None
            self._reached.clear()
            if self._state.connected or problem:
                self._become(replace(self._state.left(), problem=problem))
            self._look_again.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_again.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _follow(self, client: samovar.Client) -> None:
        # Events first, then the state that says which events it contains: nothing can fall between the two.
        async with client.events() as events:
            await self._ask(client)
            self._client = client
            self._reached.set()
            async for message in events:
                await self._hear(client, message)

    async def _hear(self, client: samovar.Client, message: EventMessage) -> None:
        if message.sequence <= self._state.sequence:
            return
        if self._state.lost_events_before(message):
            await self._ask(client)
            return
        state = self._state.apply(message)
        if isinstance(message.event, LibraryChanged):
            models = (await client.call(Ls())).models
            # Clicks may have changed other parts of the state while the answer was on its way.
            state = replace(self._state.apply(message), models=tuple(models))
        self._become(state)

    async def _ask(self, client: samovar.Client) -> None:
        status = await client.call(Status())
        models = (await client.call(Ls())).models
        downloads = (await client.call(DownloadLs())).downloads
        self._become(self._state.joined(status, models, downloads))

    async def _act(self, action: Action) -> None:
        try:
            match action:
                case Toggle(model=model):
                    await self._toggle(model)
                case SetPolicy(policy=policy):
                    await self._connected().call(ConfigSet(key="network.policy", value=policy))
                case Pause(download=download):
                    await self._connected().call(DownloadPause(id=download))
                case Resume(download=download):
                    await self._connected().call(DownloadResume(id=download))
                case Start():
                    await self._start()
                case Quit():
                    await self._quit()
        except SamovarError as error:
            if error.code not in _AGENT_IS_GONE:
                self._become(replace(self._state, problem=str(error)))
        else:
            self._become(replace(self._state, problem=None))

    async def _toggle(self, model: str) -> None:
        client = self._connected()
        instances = self._state.instances_of(model)
        self._become(replace(self._state, asked=self._state.asked | {model}))
        try:
            if instances:
                for instance in instances:
                    await self._unload(client, instance.identifier)
            else:
                await self._load(client, model)
        finally:
            self._become(replace(self._state, asked=self._state.asked - {model}))

    async def _load(self, client: samovar.Client, model: str) -> None:
        try:
            async with client.stream(Load(name=model)) as stream:
                async for _ in stream:
                    pass
        except SamovarError as error:
            # A second click while it loads unloads it; then the load has not failed.
            if error.code != FailureCode.CANCELLED:
                raise

    async def _unload(self, client: samovar.Client, identifier: str) -> None:
        try:
            await client.call(Unload(name=identifier))
        except SamovarError as error:
            # Somebody else was faster; it is gone, as was wanted.
            if error.code != FailureCode.MODEL_UNKNOWN:
                raise

    async def _start(self) -> None:
        self._become(replace(self._state, starting=True, problem=None))
        try:
            await asyncio.to_thread(self._start_agent)
            self._look_again.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reached.wait(), LONGEST_PAUSE)
        finally:
            self._become(replace(self._state, starting=False))

    async def _quit(self) -> None:
        if self._client is not None:
            try:
                await self._client.call(Down())
            except SamovarError as error:
                if error.code not in _AGENT_IS_GONE:
                    raise
        self._ended.set()

    def _connected(self) -> samovar.Client:
        if self._client is None:
            raise SamovarError(
                FailureCode.AGENT_NOT_RUNNING, "The agent went away.", hint="Start it with `samovar up`."
            )
        return self._client

    def _become(self, state: TrayState) -> None:
        self._state = state
        new = view(state)
        if new != self._view:
            self._view = new
            self._show(new)

    def _spawn(self, work: Coroutine[object, object, object]) -> asyncio.Task[object]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
