"""Failures: one shape for the command line, the tray, the popup and HTTP.

raise SamovarError(FailureCode.MODEL_UNKNOWN, "No model is called 'x'.", hint="Run `samovar ls`.")
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class FailureCode(StrEnum):
    """Stable, documented reasons; scripts may compare them. The text after each says when it is used."""

    BAD_REQUEST = "bad_request"  # the message could not be decoded, or a field has a wrong type or range
    UNKNOWN_REQUEST = "unknown_request"  # a request type that this agent does not know; it may be older than the client
    UNSUPPORTED_VERSION = "unsupported_version"  # the other side speaks another major version of the protocol
    TOO_LARGE = "too_large"  # a frame or body is over its limit
    UNAUTHORIZED = "unauthorized"  # a token is missing, unknown or revoked
    FORBIDDEN = "forbidden"  # the token, the Host or the Origin does not allow this
    NOT_FOUND = "not_found"  # a thing other than a model that does not exist
    AGENT_NOT_RUNNING = "agent_not_running"  # nobody answers at the endpoint
    AGENT_START_FAILED = "agent_start_failed"  # the agent was started and did not come up
    SHUTTING_DOWN = "shutting_down"  # the agent is stopping; unfinished work ends with this
    MODEL_UNKNOWN = "model_unknown"  # no model or instance has this name
    MODEL_AMBIGUOUS = "model_ambiguous"  # several models match the name
    MODEL_FILE_MISSING = "model_file_missing"  # the file is gone from where it was
    MODEL_FILE_BROKEN = "model_file_broken"  # not a GGUF file, truncated, or its header lies
    MODEL_UNSUPPORTED = "model_unsupported"  # a sound file that the runtime cannot run, or not for this task
    MODEL_IN_USE = "model_in_use"  # the model is loaded and the request would remove it
    NOT_ENOUGH_MEMORY = "not_enough_memory"  # refused before loading; the message has need and free
    LOAD_FAILED = "load_failed"  # the runtime refused to load the model
    CONTEXT_OVERFLOW = "context_overflow"  # the prompt has more tokens than the context; the message has both
    BUSY = "busy"  # too many requests wait already; the message has how many
    DEADLINE_EXCEEDED = "deadline_exceeded"  # the request's own time limit ran out
    WORKER_CRASHED = "worker_crashed"  # the engine's process ended or hung while it had work
    CANCELLED = "cancelled"  # a client asked for the work to stop
    NETWORK_OFFLINE = "network_offline"  # the policy, or the missing network, forbids this connection
    NETWORK_FAILED = "network_failed"  # a permitted connection did not work
    GATED = "gated"  # the publisher asks for an agreement, or a token, before the files may be had
    DIGEST_MISMATCH = "digest_mismatch"  # downloaded bytes are not the expected ones
    DISK_FULL = "disk_full"  # no room to write
    PATH_REFUSED = "path_refused"  # a name from outside would leave its folder or cannot be a file name
    SETTING_UNKNOWN = "setting_unknown"  # no setting has this key
    SETTING_INVALID = "setting_invalid"  # the value does not fit the setting
    STORE_TOO_NEW = "store_too_new"  # the database was written by a newer program
    INTERNAL = "internal"  # a defect of ours; the agent's log has the details


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong and what to do next.

    - code: a `FailureCode`, or a newer one that this side does not know.
    - message: one sentence that says what happened.
    - hint: what to do next; may be empty.
    - details: machine-readable facts, e.g. `{"need_bytes": 1, "free_bytes": 2}`.
    """

    code: str
    message: str
    hint: str = ""
    details: dict[str, int | float | str | list[str]] = {}


class SamovarError(Exception):
    """A failure on its way to a person or a program: raised by the agent, sent, and raised again by the client.

        raise SamovarError(FailureCode.DISK_FULL, "The disk is full.", hint="Free 2 GB and try again.")

    - code, message, hint, details: see `Failure`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        details: dict[str, int | float | str | list[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(code=str(code), message=message, hint=hint, details=details or {})

    @classmethod
    def of(cls, failure: Failure) -> SamovarError:
        """The error that carries a received failure."""
        return cls(failure.code, failure.message, hint=failure.hint, details=dict(failure.details))

    @property
    def code(self) -> str:
        """The failure's stable code."""
        return self.failure.code

    @property
    def hint(self) -> str:
        """What to do next; may be empty."""
        return self.failure.hint

    def __str__(self) -> str:
        return f"{self.failure.message} {self.failure.hint}".strip()
