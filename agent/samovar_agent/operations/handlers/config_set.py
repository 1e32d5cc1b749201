"""`config_set`: change one setting."""

from __future__ import annotations

import asyncio

from samovar_agent import logs
from samovar_agent.operations.call import Call
from samovar_agent.settings import RESTART_NEEDED
from samovar_protocol.events import SettingChanged
from samovar_protocol.replies import ConfigReply
from samovar_protocol.requests import ConfigSet


async def handle(call: Call, request: ConfigSet) -> ConfigReply:
    """The setting as it is now, in the file and here; raises `setting_unknown`, `setting_invalid` or `disk_full`."""
    # Shielded, because a thread cannot be cancelled: the file would change and nobody would be told.
    return await asyncio.shield(_set(call, request))


async def _set(call: Call, request: ConfigSet) -> ConfigReply:
    services = call.services
    # In a thread: the write waits for the disk. One at a time, since each rewrites the whole file.
    async with services.settings_lock:
        setting = await asyncio.to_thread(services.settings.set, request.key, request.value)
    services.events.publish(SettingChanged(setting=setting))
    if request.key == "logs.level":
        logs.set_level(services.settings.current.logs.level)
    if request.key in ("models.folders", "models.discover"):
        await services.library.refresh()
    return ConfigReply(setting=setting, restart_needed=request.key in RESTART_NEEDED)
