"""What a reply may be: `format`, `think` and `logprobs`, which chat and generate have in common."""

from __future__ import annotations

from typing import Any, Literal

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import check_depth, convert
from samovar_protocol.values import AnyJson, ChatOptions, JsonSchema, ReplyFormat, Tool

Format = Literal["", "json"] | dict[str, Any]
Think = bool | Literal["none", "low", "medium", "high", "max"]
"""A degree is told to templates that know degrees; to others it is only more than none."""


def chat_options(
    format: Format | None,
    think: Think | None,
    logprobs: bool | None,
    top_logprobs: int | None,
    tools: list[Tool] | None = None,
) -> ChatOptions:
    """What the reply may be; raises `bad_request`."""
    if top_logprobs and not logprobs:
        raise bad_request("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
    values = {
        "tools": tools,
        "reply_format": _reply_format(format),
        "thinking": wants_thinking(think),
        "template_arguments": {"reasoning_effort": think} if isinstance(think, str) and think != "none" else None,
        "logprobs": logprobs,
        "top_logprobs": top_logprobs,
    }
    return convert({name: value for name, value in values.items() if value is not None}, ChatOptions)


def wants_thinking(think: Think | None) -> bool | None:
    """Whether the model is asked to think; None where nobody says."""
    return think if think is None or isinstance(think, bool) else think != "none"


def cut_in_vain(truncate: bool | None, shift: bool | None) -> list[str]:
    """Those that ask for what is not done here: to cut off what is too long, or to push it out of the context."""
    return [name for name, value in (("truncate", truncate), ("shift", shift)) if value]


def _reply_format(format: Format | None) -> ReplyFormat | None:
    if format is None or format == "":  # which Ollama's own client sends
        return None
    if format == "json":
        return AnyJson()
    assert isinstance(format, dict), "decoded"
    check_depth(format)
    return JsonSchema(json_schema=format)
