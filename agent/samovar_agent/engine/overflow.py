"""What to do about a prompt that is longer than the context: the worker knows the numbers, and here is the name."""

from __future__ import annotations

from samovar_protocol import FailureCode, SamovarError

_LEAST = 4096
_FOR_THE_REPLY = 1024


def with_remedy(error: SamovarError, model: str) -> SamovarError:
    """The failure, and for a `context_overflow` the command that makes room. - model: its key."""
    details = error.failure.details
    needed, trained = details.get("prompt_tokens"), details.get("trained_context")
    if error.code != FailureCode.CONTEXT_OVERFLOW or not isinstance(needed, int) or not isinstance(trained, int):
        return error
    if needed >= trained:
        hint = f"Shorten it, or choose another model: {model} was trained for {trained:,}."
    else:
        hint = f"Shorten it, or make room: `samovar load {model} --context {_room(needed, trained)}`."
    return SamovarError(error.code, error.failure.message, hint=hint, details=details)


def _room(needed: int, trained: int) -> int:
    """A context for so many tokens and a reply to them, in steps as people know them."""
    room = _LEAST
    while room < needed + _FOR_THE_REPLY:
        room *= 2
    return min(room, trained)
