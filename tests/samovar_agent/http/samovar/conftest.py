"""A whole agent for what one request does to another part of it."""

from tests.samovar_agent.http.whole_agent import whole

__all__ = ["whole"]
