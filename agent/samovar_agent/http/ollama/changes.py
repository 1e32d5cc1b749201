"""`DELETE /api/delete` and `POST /api/copy`: what changes the models that are here.

A copy is a further name of the same file, which the setting `models.aliases` keeps; every interface understands it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.json_body import read_json
from samovar_agent.http.ollama.model_names import find_model, without_latest
from samovar_agent.http.ollama.named import Named
from samovar_agent.http.open_work import Job
from samovar_agent.models.aliases import with_alias, without_alias
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.events import SettingChanged
from samovar_protocol.values import Name

if TYPE_CHECKING:
    from samovar_agent.services import Services

_SETTING = "models.aliases"


class CopyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body."""

    source: Name
    destination: Name


_delete_decoder = msgspec.json.Decoder(Named)
_copy_decoder = msgspec.json.Decoder(CopyRequest)


class Changes:
    """The two endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def delete(self, request: web.Request, job: Job) -> web.Response:
        """Forget a name, or delete a model's files; raises `model_in_use` where somebody uses it now."""
        body = await read_json(request, _delete_decoder)
        name = without_latest(body.named)
        if name.casefold() in {alias.casefold() for alias in self._services.library.aliases()}:
            await asyncio.shield(asyncio.ensure_future(self._set_aliases(name, None)))
            return web.Response()
        info = find_model(self._services, body.named).info
        instances = self._services.instances
        for instance in instances.ls():
            if instance.model == info.key and not instance.active and not instance.queued:
                await instances.release(instance.identifier)
        with instances.kept_out(info.key):
            # A download that has not ended is cancelled, with what came of it.
            if info.state != "partial" or not await self._services.downloads.cancel_of(Path(info.path)):
                await self._services.library.rm(info.key)
        return web.Response()

    async def copy(self, request: web.Request, job: Job) -> web.Response:
        """Give a model a further name; one that was given before means the new model from now on."""
        body = await read_json(request, _copy_decoder)
        key = find_model(self._services, body.source).info.key
        await asyncio.shield(asyncio.ensure_future(self._set_aliases(without_latest(body.destination), key)))
        return web.Response()

    def _full_name(self, key: str) -> str:
        try:
            return self._services.library.full_name(key)
        except KeyError:
            raise SamovarError(
                FailureCode.MODEL_FILE_MISSING,
                f"The file of '{key}' is gone; the model is only in memory.",
                hint="Get it again, and then give it a name.",
            ) from None

    async def _set_aliases(self, name: str, key: str | None) -> None:
        services = self._services
        async with services.settings_lock:  # the list is read and written by one at a time
            lines = services.settings.current.models.aliases
            if key is None:
                changed = without_alias(lines, name)
            else:
                services.library.check_alias(name)
                changed = with_alias(lines, name, self._full_name(key))
            setting = await asyncio.to_thread(services.settings.set, _SETTING, changed)
        services.events.publish(SettingChanged(setting=setting))
