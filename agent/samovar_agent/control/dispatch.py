"""Which handler serves which request: one exhaustive match, so that the type checker finds a forgotten one."""

from __future__ import annotations

from typing import assert_never

from samovar_agent.control.call import Call
from samovar_agent.control.handlers import (
    cancel,
    chat,
    config_get,
    config_ls,
    config_set,
    doctor,
    down,
    get,
    hello,
    import_,
    load,
    ls,
    ping,
    ps,
    rm,
    status,
    token_create,
    token_ls,
    token_revoke,
    unload,
)
from samovar_protocol import requests
from samovar_protocol.replies import Reply


async def dispatch(call: Call, request: requests.AnyRequest) -> Reply:
    """The answer to one request; raises `SamovarError`."""
    match request:
        case requests.Cancel():
            return await cancel.handle(call, request)
        case requests.Chat():
            return await chat.handle(call, request)
        case requests.ConfigGet():
            return await config_get.handle(call, request)
        case requests.ConfigLs():
            return await config_ls.handle(call, request)
        case requests.ConfigSet():
            return await config_set.handle(call, request)
        case requests.Doctor():
            return await doctor.handle(call, request)
        case requests.Down():
            return await down.handle(call, request)
        case requests.Get():
            return await get.handle(call, request)
        case requests.Hello():
            return await hello.handle(call, request)
        case requests.Import():
            return await import_.handle(call, request)
        case requests.Load():
            return await load.handle(call, request)
        case requests.Ls():
            return await ls.handle(call, request)
        case requests.Ping():
            return await ping.handle(call, request)
        case requests.Ps():
            return await ps.handle(call, request)
        case requests.Rm():
            return await rm.handle(call, request)
        case requests.Status():
            return await status.handle(call, request)
        case requests.TokenCreate():
            return await token_create.handle(call, request)
        case requests.TokenLs():
            return await token_ls.handle(call, request)
        case requests.TokenRevoke():
            return await token_revoke.handle(call, request)
        case requests.Unload():
            return await unload.handle(call, request)
        case _:
            assert_never(request)
