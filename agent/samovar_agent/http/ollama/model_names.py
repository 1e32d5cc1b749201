"""Models' names as Ollama's users write them: `name`, `name:tag`, `name:latest`; and ours, which are understood too.

A tag is a quantization, or the part of a name that says the size: `smollm2:135m` is `smollm2-135m`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from samovar_agent.http.ollama.errors import lacks
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

LATEST = "latest"
"""The tag of a name without one."""
_HUBS = ("hf.co/", "huggingface.co/")
_MOST_NAMED = 20


class Meant(NamedTuple):
    """The model that a request names. - name: for the engine: its key, or that of an instance. - asked: as it came."""

    name: str
    info: ModelInfo
    asked: str

    def check(self, capability: str, what: str) -> None:
        """Raise `bad_request` where the model cannot do that. - what: Ollama's word for it."""
        if self.info.state == "ready" and capability not in self.info.capabilities:
            raise lacks(self.asked, what)


def find_model(services: Services, name: str) -> Meant:
    """The model that `name` means; raises `model_unknown`, with what there is, or `model_ambiguous`."""
    library = services.library
    for meaning in meanings(name):
        try:
            key = library.key_of(meaning)
        except SamovarError as error:
            if error.code != FailureCode.MODEL_UNKNOWN:
                raise
        else:
            return Meant(key, _info(services, key), name)
    for instance in services.instances.ls():
        if instance.identifier in (name, without_latest(name)):
            return Meant(instance.identifier, _info(services, instance.model), name)
    names = [shown_name(info) for info in library.ls() if info.state == "ready"]
    more = f" and {len(names) - _MOST_NAMED} others" if len(names) > _MOST_NAMED else ""
    raise SamovarError(
        FailureCode.MODEL_UNKNOWN,
        f"model '{name}' not found, try pulling it first.",
        hint=f"There are {', '.join(names[:_MOST_NAMED])}{more}." if names else "There is no model here yet.",
        details={"models": names[:_MOST_NAMED]},
    )


def _info(services: Services, key: str) -> ModelInfo:
    try:
        return services.library.info(key)
    except KeyError:  # its file is gone, and it is still in memory
        publisher, _, name = key.partition("/")
        return ModelInfo(key=key, name=name, publisher=publisher, path="", size_bytes=0, state="missing")


def shown_name(info: ModelInfo) -> str:
    """A model as `name:tag`, which can be sent back."""
    key = info.key
    if info.origin == "ollama" and ":" in info.name:  # it has such a name already
        return key.removeprefix("ollama/")
    name, at, tag = key.partition("@")
    return f"{name}:{tag if at else LATEST}"


def instance_name(instance: InstanceInfo, info: ModelInfo | None) -> str:
    """The same of one in memory."""
    if info is not None and instance.identifier == info.key:
        return shown_name(info)
    return f"{instance.identifier}:{LATEST}"


def without_latest(name: str) -> str:
    """The name without the tag that says nothing."""
    return name.removesuffix(f":{LATEST}")


def meanings(name: str) -> Iterator[str]:
    """What a name can stand for here, the likeliest first."""
    for hub in _HUBS:
        name = name.removeprefix(hub)
    yield name
    base, colon, tag = name.rpartition(":")
    if not colon or not base or not tag or "/" in tag:
        return
    if tag.casefold() == LATEST:
        yield base
        return
    yield f"{base}@{tag}"
    yield f"{base}-{tag}"
    size, dash, quantization = tag.rpartition("-")
    if dash and size:
        yield f"{base}-{size}@{quantization}"
