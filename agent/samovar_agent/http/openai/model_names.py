"""Which model a request means, and what it is called in the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_agent.http.errors import bad_request
from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from samovar_agent.services import Services


NAMING_FAILS = (FailureCode.MODEL_UNKNOWN, FailureCode.MODEL_AMBIGUOUS, FailureCode.MODEL_FILE_BROKEN)
"""How a model's name in a path may fail."""


def named(services: Services, model: str | None, capability: str) -> str:
    """The model that a request names. One that names none means the one in memory, or else the only one there is.

    Plugins that were made for llama.cpp's server, which has one model, name none. - capability: that it must have.
    Raises `bad_request` where there are several.
    """
    if model is not None:
        return model
    try:
        return services.instances.only_model(capability)
    except SamovarError as error:
        models = error.failure.details.get("models")
        if not isinstance(models, list):
            raise
        raise bad_request(
            f"'model' is missing, and there are several: {', '.join(map(str, models))}.",
            param="model",
            hint="Name the one you mean.",
        ) from None


def key_of(services: Services, name: str) -> str:
    """The key of the model that answers. The reply has it too, but streams need it before."""
    for instance in services.instances.ls():
        if instance.identifier == name:
            return instance.model
    try:
        return services.library.key_of(name)
    except SamovarError:
        return name


def may_think(services: Services, name: str) -> bool:
    """Whether the model can think before it answers, or may for all that is known of it."""
    key = key_of(services, name)
    return all("thinking" in model.capabilities for model in services.library.ls() if model.key == key)
