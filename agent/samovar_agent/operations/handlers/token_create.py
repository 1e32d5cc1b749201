"""`token_create`: make an API token."""

from __future__ import annotations

from samovar_agent.operations.call import Call
from samovar_protocol.replies import TokenCreateReply
from samovar_protocol.requests import TokenCreate


async def handle(call: Call, request: TokenCreate) -> TokenCreateReply:
    """The token and its secret, which is shown this once."""
    token, secret = await call.services.store.tokens.create(
        request.name, request.scopes, lifetime_seconds=request.lifetime_seconds
    )
    return TokenCreateReply(token=token, secret=secret)
