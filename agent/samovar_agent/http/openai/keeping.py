"""`ttl`, which any request may have: how long its model stays in memory. LM Studio's addition to OpenAI's API."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta

from samovar_agent.engine.instances import Keep

Ttl = Annotated[float, Meta(ge=0, le=86_400 * 365)]
"""Seconds without use after which the model goes; 0 at once."""


def keep_of(ttl: float | None) -> Keep:
    """What a request says of its model; None says nothing."""
    return Keep(ttl_seconds=UNSET if ttl is None else ttl)
