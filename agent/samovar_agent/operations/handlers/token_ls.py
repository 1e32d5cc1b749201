"""`token_ls`: API tokens without their secrets."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import TokenLsReply
from samovar_protocol.requests import TokenLs


async def handle(call: Call, request: TokenLs) -> TokenLsReply:
    """All tokens, revoked ones too."""
    return TokenLsReply(tokens=await call.services.store.tokens.ls())
