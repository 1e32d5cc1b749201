"""Models' names as Ollama shows them, `name:tag`, of which the library understands what a tag can mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from samovar_agent.engine.instances import Keep
from samovar_agent.http.ollama.errors import lacks
from samovar_agent.models.naming import LATEST
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import InstanceInfo, ModelInfo

if TYPE_CHECKING:
    from samovar_agent.services import Services

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

    def possible(self, keep: Keep) -> Keep:
        """How to load it, with no more context than it was trained for.

        Ollama's clients add a reserve to what they need, aider 8,192 tokens; as in Ollama, the model's own length is
        then all that they get. What they need is checked by its length in any case.
        """
        if keep.context is None or self.info.context_length is None:
            return keep
        return keep._replace(context=min(keep.context, self.info.context_length))


def find_model(services: Services, name: str) -> Meant:
    """The model that `name` means; raises `model_unknown`, with what there is, or `model_ambiguous`."""
    library = services.library
    try:
        key = library.key_of(name)
        return Meant(key, _info(services, key), name)
    except SamovarError as error:
        if error.code != FailureCode.MODEL_UNKNOWN:
            raise
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
