"""What `samovar logs` shows of the agent's events."""

import logging

import msgspec
import pytest

from samovar_agent.event_log import EventLog
from samovar_protocol.events import DownloadChanged, InstanceChanged, LibraryChanged, NetworkChanged
from samovar_protocol.values import DownloadInfo, InstanceInfo, InstanceState, NetworkInfo, Progress


def instance(state: InstanceState, active: int = 0, problem: str | None = None) -> InstanceChanged:
    return InstanceChanged(
        instance=InstanceInfo(identifier="m", model="ada/m", state=state, active=active, problem=problem)
    )


def test_an_instance_is_logged_once_a_state(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = EventLog()
    for event in (
        instance("starting"),
        instance("loading"),
        instance("loading"),
        instance("ready"),
        instance("ready", active=1),
        instance("ready"),
        instance("unloading"),
        instance("stopped"),
        instance("starting"),
        instance("failed", problem="It broke."),
    ):
        log(1, 0.0, "c-1", event)
    assert caplog.messages == ["m is loaded", "m is unloaded", "m failed: It broke."]
    assert caplog.records[-1].levelno == logging.ERROR


def test_downloads_are_logged_when_their_state_changes_and_the_policy_when_it_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    log = EventLog()
    running = DownloadInfo(id=1, name="m", state="running", progress=Progress(stage="downloading", done=1))
    log(1, 0.0, None, DownloadChanged(download=running))
    log(2, 0.0, None, DownloadChanged(download=msgspec.structs.replace(running, progress=None)))
    failed = msgspec.structs.replace(running, state="failed", problem="The disk is full.")
    log(2, 0.0, None, DownloadChanged(download=failed))
    log(3, 0.0, None, NetworkChanged(network=NetworkInfo(policy="offline", connected=True)))
    log(4, 0.0, None, LibraryChanged(models=1))
    assert caplog.messages == [
        "download of m: running",
        "download of m: failed: The disk is full.",
        "network policy offline, connected",
    ]
