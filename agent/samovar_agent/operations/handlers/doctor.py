"""`doctor`: look for what is wrong or will be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata

import psutil

from samovar_agent.operations.call import Call
from samovar_agent.services import Services
from samovar_protocol.replies import DoctorReply
from samovar_protocol.requests import Doctor
from samovar_protocol.values import Check, ModelInfo

_GB = 10**9
_LITTLE_DISK = 5 * _GB
_LITTLE_MEMORY = 2 * _GB


async def handle(call: Call, request: Doctor) -> DoctorReply:
    """Findings about the server, the runtime, the store, models, settings, disk and memory."""
    checks = list(_checks(call.services))
    checks.append(await _store(call.services))
    return DoctorReply(checks=checks)


def _checks(services: Services) -> Iterator[Check]:
    http = services.http
    listens = ", ".join([*http.urls, *([http.unix_socket] if http.unix_socket else [])])
    if http.problem:
        yield Check(
            name="server",
            outcome="warning" if listens else "failure",
            message=f"{http.problem} It listens on {listens}." if listens else http.problem,
            hint="`samovar config ls` shows the settings of the server.",
        )
    elif listens:
        yield Check(name="server", outcome="ok", message=f"The local server listens on {listens}.")
    else:
        yield Check(name="server", outcome="ok", message="The local server is off: the setting server.hosts is empty.")
    try:
        yield Check(name="runtime", outcome="ok", message=f"llama-cpp-python {metadata.version('llama-cpp-python')}.")
    except metadata.PackageNotFoundError:
        yield Check(
            name="runtime",
            outcome="failure",
            message="llama-cpp-python is not installed, so no model can run.",
            hint="Install the project again; it needs a C++ compiler and cmake.",
        )
    broken = [model for model in services.library.ls() if model.state != "ready"]
    for model in broken:
        yield Check(
            name="models",
            outcome="warning",
            message=f"{model.key} is {model.state}: {model.problem or 'see `samovar ls`'}",
            hint=_mending(model),
        )
    if not broken:
        yield Check(name="models", outcome="ok", message=f"{len(services.library.ls())} on disk, none broken.")
    for key in services.settings.unknown:
        yield Check(
            name="settings",
            outcome="warning",
            message=f"{services.settings.path} sets '{key}', which is no setting.",
            hint="See `samovar config ls`.",
        )
    free = shutil.disk_usage(services.places.data).free
    yield Check(
        name="disk",
        outcome="ok" if free > _LITTLE_DISK else "warning",
        message=f"{free / _GB:.1f} GB are free at {services.places.data}.",
        hint="" if free > _LITTLE_DISK else "Models need room: remove some with `samovar rm`.",
    )
    memory = psutil.virtual_memory().available
    yield Check(
        name="memory",
        outcome="ok" if memory > _LITTLE_MEMORY else "warning",
        message=f"{memory / _GB:.1f} GB are free.",
        hint="" if memory > _LITTLE_MEMORY else "Only small models fit; close something or `samovar unload --all`.",
    )
    network = services.gate.info()
    state = "connected" if network.connected else "not connected"
    yield Check(name="network", outcome="ok", message=f"The policy is {network.policy}; this machine is {state}.")


def _mending(model: ModelInfo) -> str:
    if model.origin in ("library", "link"):
        return f"Get it again, or `samovar rm {model.key}`."
    return f"It is another program's, or in a folder of yours, at {model.path}: mend or delete it there."


async def _store(services: Services) -> Check:
    problem = await services.store.check()
    if problem is None:
        return Check(name="store", outcome="ok", message=f"{services.places.database_file} is sound.")
    return Check(
        name="store",
        outcome="failure",
        message=f"{services.places.database_file}: {problem}",
        hint="Stop the agent and restore a copy, or move the file away to start afresh.",
    )
