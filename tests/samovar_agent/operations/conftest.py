"""Requests are asked as clients do it: over a control socket."""

from tests.samovar_agent.control.conftest import agent, until

__all__ = ["agent", "until"]
