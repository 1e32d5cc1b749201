"""What the tray shows: an icon, a tooltip and a tree of menu items, made from the state and nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from samovar.tray.state import TrayState
from samovar_protocol.values import DownloadInfo, ModelInfo, NetworkPolicy

LONGEST_LINE = 56
MOST_LINES = 3
"""Room for a message, in characters and lines; the rest is cut, for a menu must not be as wide as the screen."""


@dataclass(frozen=True, slots=True)
class Toggle:
    """Load the model, or unload it where it is loaded."""

    model: str


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """Change what may leave this machine."""

    policy: NetworkPolicy


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop a download and keep what came. - download: its id."""

    download: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a download. - download: its id."""

    download: int


@dataclass(frozen=True, slots=True)
class Start:
    """Start the agent."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Stop the agent and end the tray."""


Action = Toggle | SetPolicy | Pause | Resume | Start | Quit


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the menu.

    - id: the same for the same thing at all times, so that an open menu can change in place.
    - checked: None for an item without a check mark. - action: None for a line that only says something.
    - children: the submenu; None for none. - separator: a line between groups, without a label.
    """

    id: str
    label: str = ""
    checked: bool | None = None
    action: Action | None = None
    children: tuple[Item, ...] | None = None
    separator: bool = False

    @property
    def enabled(self) -> bool:
        """Whether it can be clicked or opened."""
        return self.action is not None or self.children is not None


Mood = Literal["idle", "loaded", "busy", "error", "stopped"]


@dataclass(frozen=True, slots=True)
class View:
    """All that is on the screen. - mood, offline: which icon. - title: the tooltip."""

    mood: Mood
    offline: bool
    title: str
    menu: tuple[Item, ...]

    def find(self, item_id: str) -> Item | None:
        """The item with this id, however deep."""
        return next((item for item in _walk(self.menu) if item.id == item_id), None)


def view(state: TrayState) -> View:
    """What `state` looks like."""
    return View(
        mood=_mood(state),
        offline=_offline(state),
        title=_title(state),
        menu=tuple(_menu(state)),
    )


def _menu(state: TrayState) -> Iterator[Item]:
    for number, line in enumerate(_wrapped(state.problem) if state.problem else []):
        yield Item(f"problem-{number}", line)
    if state.problem:
        yield Item("after-problem", separator=True)
    yield Item("status", _status_line(state))
    yield Item("after-status", separator=True)
    if _running(state):
        yield Item("models", "Models", children=tuple(_models(state)))
        offline = _offline(state)
        after = state.online_policy if offline else "offline"
        yield Item("offline", "Work offline", checked=offline, action=SetPolicy(after))
        if not offline:
            ask = state.network is not None and state.network.policy == "ask"
            yield Item("ask", "Connect only when I ask", checked=ask, action=SetPolicy("online" if ask else "ask"))
    elif not state.stopping:
        yield Item("start", "Start Samovar", action=None if state.starting else Start())
    yield Item("before-quit", separator=True)
    yield Item("quit", "Quit Samovar", action=Quit())


def _models(state: TrayState) -> Iterator[Item]:
    for download in state.downloads:
        yield Item(
            f"download:{download.id}",
            f"{_short(download.name)} · {_how_far(download)}",
            action=Resume(download.id) if download.state == "paused" else Pause(download.id),
        )
    if not state.models and not state.downloads:
        yield Item("no-models", "No models yet: samovar get smollm2-135m")
    short = [_short(model.key) for model in state.models]
    for model in state.models:
        name = _short(model.key)
        yield _model(state, model, name if short.count(name) == 1 else model.key)


def _how_far(download: DownloadInfo) -> str:
    """What a click would change is said too: nothing else tells that one can click here."""
    progress = download.progress
    share = f" {_percent(progress.done / progress.total)}" if progress and progress.total else ""
    if download.state == "running":
        return f"{progress.stage if progress else 'downloading'}{share} (pause)"
    return f"paused{share} (resume)" if download.state == "paused" else f"{download.state}{share} (pause)"


def _model(state: TrayState, model: ModelInfo, name: str) -> Item:
    states = {instance.state for instance in state.instances_of(model.key)}
    loaded = "ready" in states
    action: Action | None = Toggle(model.key)
    note = ""
    if states & {"starting", "loading"}:
        progress = max(instance.progress for instance in state.instances_of(model.key))
        note = f"loading {_percent(progress)}"
    elif "unloading" in states:
        note, action = "unloading", None
    elif model.key in state.asked:
        note, action = ("" if loaded else "loading"), None
    elif not loaded and model.state != "ready":
        notes = {"missing": "the file is gone", "broken": "the file is broken", "partial": "not complete"}
        note, action = notes[model.state], None
    label = f"{name} · {note}" if note else name
    return Item(f"model:{model.key}", label, checked=loaded, action=action)


def _status_line(state: TrayState) -> str:
    if state.starting:
        return "Samovar is starting"
    if state.stopping:
        return "Samovar is stopping"
    if not state.connected:
        return "Samovar is not running"
    name = f"Samovar {state.version}"
    if state.http.urls:
        return f"{name} · {state.http.urls[0].partition('://')[2].rstrip('/')}"
    return f"{name} · {_short_line(state.http.problem).rstrip('.') if state.http.problem else 'no local server'}"


def _title(state: TrayState) -> str:
    if state.problem:
        return f"Samovar · {_short_line(state.problem)}"
    if not _running(state):
        return _status_line(state)
    loaded = [_short(instance.identifier) for instance in state.instances if instance.state == "ready"]
    parts = ["Samovar", _short_line(", ".join(loaded)) if loaded else "no model loaded"]
    if _offline(state):
        parts.append("working offline")
    return " · ".join(parts)


def _mood(state: TrayState) -> Mood:
    if state.problem:
        return "error"
    if not _running(state):
        return "stopped"
    coming = any(download.state == "running" for download in state.downloads)
    if state.asked or coming or any(i.state in ("starting", "loading", "unloading") for i in state.instances):
        return "busy"
    return "loaded" if state.instances else "idle"


def _running(state: TrayState) -> bool:
    return state.connected and not state.stopping


def _offline(state: TrayState) -> bool:
    return state.network is not None and state.network.policy == "offline"


def _short(key: str) -> str:
    return key.rpartition("/")[2]


def _percent(ratio: float) -> str:
    return f"{int(min(max(ratio, 0.0), 1.0) * 100)} %"


def _wrapped(text: str, lines: int = MOST_LINES) -> list[str]:
    return textwrap.wrap(text, LONGEST_LINE, max_lines=lines, placeholder=" …")


def _short_line(text: str) -> str:
    return "".join(_wrapped(text, lines=1))


def _walk(items: tuple[Item, ...]) -> Iterator[Item]:
    for item in items:
        yield item
        yield from _walk(item.children or ())
