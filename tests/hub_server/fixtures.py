"""The fixture `hub_server`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hub_server.server import HubServer


@pytest.fixture
def hub_server() -> Iterator[HubServer]:
    """A hub for one test; see `tests/hub_server`."""
    with HubServer() as server:
        yield server
