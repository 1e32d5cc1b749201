"""A whole agent for who tries everything."""

from tests.samovar_agent.http.whole_agent import whole

__all__ = ["whole"]
