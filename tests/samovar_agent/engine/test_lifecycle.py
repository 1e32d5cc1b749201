import itertools
from typing import get_args

import pytest

from samovar_agent.engine.lifecycle import ENDED, TRANSITIONS, Lifecycle
from samovar_protocol.values import InstanceState

STATES: tuple[InstanceState, ...] = get_args(InstanceState)


def test_the_table_has_every_state() -> None:
    assert set(TRANSITIONS) == set(STATES)


def test_an_instance_lives_and_ends() -> None:
    life = Lifecycle()
    for state in ("loading", "ready", "unloading", "stopped"):
        life.to(state)
    assert life.state == "stopped"


@pytest.mark.parametrize(("old", "new"), list(itertools.product(STATES, STATES)))
def test_only_ways_of_the_table_are_possible(old: InstanceState, new: InstanceState) -> None:
    life = Lifecycle()
    life.state = old
    if new in TRANSITIONS[old]:
        life.to(new)
        assert life.state == new
    else:
        with pytest.raises(ValueError, match=f"from {old} to {new}"):
            life.to(new)
        assert life.state == old


@pytest.mark.parametrize("state", sorted(ENDED))
def test_nothing_follows_the_end(state: InstanceState) -> None:
    assert not TRANSITIONS[state]


@pytest.mark.parametrize("state", ["starting", "loading", "ready"])
def test_it_can_fail_and_be_unloaded_while_it_is_usable(state: InstanceState) -> None:
    assert {"failed", "unloading"} <= TRANSITIONS[state]


@pytest.mark.parametrize(
    ("state", "usable"), [("ready", True), ("loading", True), ("unloading", False), ("failed", False)]
)
def test_who_may_be_given_out(state: InstanceState, usable: bool) -> None:
    life = Lifecycle()
    life.state = state
    assert life.usable is usable
