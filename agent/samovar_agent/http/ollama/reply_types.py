"""What `reply_lines.py` writes, as types: for the server's description, and for tests, which read lines as these."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class CalledFunction(msgspec.Struct, frozen=True, kw_only=True):
    """- index: of the call among those of the reply."""

    index: int
    name: str
    arguments: dict[str, Any]


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that wants an answer."""

    id: str
    function: CalledFunction


class ReplyMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The model's turn, or a piece of it."""

    role: Literal["assistant"]
    content: str
    thinking: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A token that could stand there. - bytes: its text in UTF-8."""

    token: str
    logprob: float
    bytes: list[int]


class TokenScore(Candidate, frozen=True, kw_only=True):
    """The token that does. - top_logprobs: the most probable ones."""

    top_logprobs: list[Candidate]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply, or a line of one: the last has why it ended and what it took, in nanoseconds.

    - model: as the request named it. - samovar: ours; what is waited for.
    """

    model: str
    created_at: str
    done: bool
    done_reason: Literal["stop", "length", "load", "unload"] | UnsetType = UNSET
    logprobs: list[TokenScore] | UnsetType = UNSET
    samovar: str | UnsetType = UNSET
    total_duration: int | UnsetType = UNSET
    load_duration: int | UnsetType = UNSET
    prompt_eval_count: int | UnsetType = UNSET
    prompt_eval_duration: int | UnsetType = UNSET
    eval_count: int | UnsetType = UNSET
    eval_duration: int | UnsetType = UNSET


class ChatResponse(Line, frozen=True, kw_only=True):
    """Of a chat."""

    message: ReplyMessage


class GenerateResponse(Line, frozen=True, kw_only=True):
    """Of a reply to one prompt."""

    response: str
    thinking: str | UnsetType = UNSET
