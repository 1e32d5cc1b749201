"""`catalog`: the chosen models."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import CatalogReply
from samovar_protocol.requests import Catalog


async def handle(call: Call, request: Catalog) -> CatalogReply:
    """As they are known here."""
    return await call.services.catalog.ls()
