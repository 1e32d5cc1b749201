"""What a request's model is called in its reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samovar_protocol import FailureCode, SamovarError

if TYPE_CHECKING:
    from samovar_agent.services import Services


NAMING_FAILS = (FailureCode.MODEL_UNKNOWN, FailureCode.MODEL_AMBIGUOUS, FailureCode.MODEL_FILE_BROKEN)
"""How a model's name in a path may fail."""


def key_of(services: Services, name: str) -> str:
    """The key of the model that answers. The reply has it too, but streams need it before."""
    for instance in services.instances.ls():
        if instance.identifier == name:
            return instance.model
    try:
        return services.library.key_of(name)
    except SamovarError:
        return name
