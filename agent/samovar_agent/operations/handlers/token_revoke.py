"""`token_revoke`: make an API token worthless."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import TokenRevokeReply
from samovar_protocol.requests import TokenRevoke


async def handle(call: Call, request: TokenRevoke) -> TokenRevokeReply:
    """Takes effect at once, on open streams too; raises `not_found`."""
    return TokenRevokeReply(token=await call.services.store.tokens.revoke(request.name))
