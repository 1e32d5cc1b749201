"""Giving up a file, with the reason for its owner."""

from __future__ import annotations

from samovar_agent.documents.extracted import Problem, Reason


class RefusedError(Exception):
    """This file gives no text. - media_type: what it is, where that was found out."""

    def __init__(self, reason: Reason, message: str, *, hint: str = "", media_type: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(reason=reason, message=message, hint=hint)
        self.media_type = media_type or "application/octet-stream"


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / (1024 * 1024):,.0f} MB"
