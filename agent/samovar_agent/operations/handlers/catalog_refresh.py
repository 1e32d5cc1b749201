"""`catalog_refresh`: ask the hub about the chosen models."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import CatalogReply
from samovar_protocol.requests import CatalogRefresh


async def handle(call: Call, request: CatalogRefresh) -> CatalogReply:
    """As they are known then."""
    await call.services.catalog.refresh(requester=call.requester, asked=True)
    return await call.services.catalog.ls()
