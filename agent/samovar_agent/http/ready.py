"""`GET /ready`: can the agent answer now? 503 with the reason where it cannot, also while it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from samovar_agent import __version__
from samovar_agent.http.errors import HttpRefusal
from samovar_agent.http.open_work import Job
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import InstanceState

if TYPE_CHECKING:
    from samovar_agent.services import Services

_STORE_SECONDS = 5.0
"""A disk that answers a question about nothing no faster than this serves nobody."""


class ReadyModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in memory, or on its way there. - identifier: what requests may name it."""

    identifier: str
    model: str
    state: InstanceState


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The agent can answer. - models: those in memory; others are loaded when they are asked for."""

    status: Literal["ready"] = "ready"
    version: str = __version__
    models: list[ReadyModel]


class Readiness:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: web.Request, job: Job) -> web.Response:
        """Look whether the store answers; a server that stops does not come here."""
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._services.store.ping()
        except TimeoutError:
            raise _not_ready(f"The store does not answer within {_STORE_SECONDS:.0f} s.") from None
        except SamovarError as error:
            raise _not_ready(error.failure.message) from error
        models = [
            ReadyModel(identifier=one.identifier, model=one.model, state=one.state)
            for one in self._services.instances.ls()
        ]
        return web.Response(
            body=msgspec.json.encode(Ready(models=models)), headers={"Content-Type": "application/json"}
        )


def _not_ready(reason: str) -> HttpRefusal:
    return HttpRefusal(503, FailureCode.INTERNAL, f"Samovar is not ready: {reason}", hint="See `samovar doctor`.")
