"""The agent: one background process that owns models, engines, settings and the local server."""

__version__ = "0.1.0"
