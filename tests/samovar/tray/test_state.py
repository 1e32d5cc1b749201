from __future__ import annotations

from dataclasses import replace

from samovar.tray.state import TrayState
from samovar_protocol.events import (
    DownloadChanged,
    HttpChanged,
    InstanceChanged,
    LibraryChanged,
    NetworkChanged,
    Stopping,
)
from samovar_protocol.values import DownloadInfo, DownloadState, HttpInfo, NetworkInfo
from tests.samovar.tray.values import instance, message, model, status

KEY = model().key


def joined(sequence: int = 5) -> TrayState:
    return TrayState().joined(status(sequence), [model()])


def test_nothing_is_known_before_the_first_answer() -> None:
    assert not TrayState().connected


def test_joining_takes_over_the_agents_state() -> None:
    state = TrayState().joined(status(7, instance("ready")), [model()])
    assert (state.connected, state.version, state.sequence) == (True, "0.1.0", 7)
    assert [one.state for one in state.instances_of(KEY)] == ["ready"]


def test_an_event_that_the_status_contains_changes_nothing() -> None:
    state = joined(5)
    assert state.apply(message(5, InstanceChanged(instance=instance("loading")))) is state


def test_instances_come_change_and_go() -> None:
    state = joined(5).apply(message(6, InstanceChanged(instance=instance("loading", progress=0.5))))
    assert state.instances[0].progress == 0.5
    state = state.apply(message(7, InstanceChanged(instance=instance("ready"))))
    assert [one.state for one in state.instances] == ["ready"]
    state = state.apply(message(8, InstanceChanged(instance=instance("stopped"))))
    assert state.instances == ()
    assert state.sequence == 8


def test_a_failed_instance_says_why_until_the_next_one_is_ready() -> None:
    state = joined(0).apply(message(1, InstanceChanged(instance=instance("failed", problem="It crashed."))))
    assert state.problem == "It crashed."
    assert state.instances == ()
    state = state.apply(message(2, InstanceChanged(instance=instance("ready"))))
    assert state.problem is None


def test_a_ready_instance_at_work_does_not_hide_a_problem() -> None:
    state = replace(TrayState().joined(status(0, instance("ready")), []), problem="The disk is full.")
    state = state.apply(message(1, InstanceChanged(instance=instance("ready", active=1))))
    assert state.problem == "The disk is full."


def test_downloads_are_kept_while_they_run() -> None:
    def changed(id_: int, state: DownloadState) -> DownloadChanged:
        return DownloadChanged(download=DownloadInfo(id=id_, name="a", state=state))

    state = joined(0).apply(message(1, changed(1, "queued"))).apply(message(2, changed(2, "running")))
    state = state.apply(message(3, changed(1, "paused")))
    assert [(download.id, download.state) for download in state.downloads] == [(1, "paused"), (2, "running")]
    assert [download.id for download in state.apply(message(4, changed(1, "done"))).downloads] == [2]


def test_a_failed_download_is_a_problem() -> None:
    failed = DownloadInfo(id=1, name="a", state="failed", problem="The disk is full.")
    state = joined(0).apply(message(1, DownloadChanged(download=failed)))
    assert (state.downloads, state.problem) == ((), "a: The disk is full.")


def test_downloads_that_are_over_are_not_taken_up() -> None:
    downloads = [DownloadInfo(id=1, name="a", state="done"), DownloadInfo(id=2, name="b", state="waiting")]
    assert [found.id for found in TrayState().joined(status(), [], downloads).downloads] == [2]


def test_the_policy_to_return_to_is_the_one_before_offline() -> None:
    state = joined(0)
    for number, policy in enumerate(("ask", "offline"), 1):
        state = state.apply(
            message(number, NetworkChanged(network=NetworkInfo(policy=policy, connected=True)))  # type: ignore[arg-type]
        )
    assert state.network == NetworkInfo(policy="offline", connected=True)
    assert state.online_policy == "ask"


def test_the_policy_to_return_to_outlives_the_agent() -> None:
    asking = TrayState().joined(status(network=NetworkInfo(policy="ask", connected=True)), [])
    again = asking.left().joined(status(network=NetworkInfo(policy="offline", connected=True)), [])
    assert again.online_policy == "ask"


def test_http_and_goodbye() -> None:
    state = joined(0).apply(message(1, HttpChanged(http=HttpInfo(problem="Port 7266 is taken."))))
    assert state.http.problem == "Port 7266 is taken."
    assert state.apply(message(2, Stopping())).stopping


def test_a_gap_in_the_numbers_is_a_loss() -> None:
    state = joined(5)
    assert not state.lost_events_before(message(6, LibraryChanged(models=1)))
    assert state.lost_events_before(message(7, LibraryChanged(models=1)))


def test_asking_again_after_a_loss_keeps_the_problem() -> None:
    state = replace(joined(), problem="The disk is full.")
    assert state.joined(status(9), []).problem == "The disk is full."


def test_when_the_agent_goes_its_state_goes_with_it() -> None:
    state = replace(joined(), problem="old", asked=frozenset({KEY})).left()
    assert (state.connected, state.models, state.asked, state.problem) == (False, (), frozenset(), None)
