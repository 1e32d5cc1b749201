"""`/api/samovar/network`: what may leave this machine.

GET   /api/samovar/network
PATCH /api/samovar/network      {"policy": "offline"}, the same as the setting `network.policy`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response
from samovar_agent.http.json_body import read_json
from samovar_agent.http.open_work import Job
from samovar_agent.http.samovar.protocol_endpoint import ask
from samovar_protocol.requests import ConfigSet
from samovar_protocol.values import NetworkPolicy

if TYPE_CHECKING:
    from samovar_agent.services import Services


class NetworkRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. - policy: what may leave from now on, also by connections that are open."""

    policy: NetworkPolicy


_decoder = msgspec.json.Decoder(NetworkRequest)


class Network:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: web.Request, job: Job) -> web.Response:
        """The policy, and whether there is a network."""
        return self._response()

    async def change(self, request: web.Request, job: Job) -> web.Response:
        """Another policy."""
        body = await read_json(request, _decoder)
        async with job.interruptible():
            await ask(self._services, job, ConfigSet(key="network.policy", value=body.policy))
        return self._response()

    def _response(self) -> web.Response:
        return json_response(msgspec.json.encode(self._services.gate.info()))
