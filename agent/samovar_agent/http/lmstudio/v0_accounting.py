"""What version 0 adds to OpenAI's replies: how fast it went, which model answered, and what ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from samovar_protocol.replies import ChatReply, EmbedReply
from samovar_protocol.values import InstanceInfo, ModelInfo, Sampling

if TYPE_CHECKING:
    from samovar_agent.services import Services

StopReason = Literal["eosFound", "stopStringFound", "toolCalls", "maxPredictedTokensReached", "contextLengthReached"]
"""LM Studio's, as far as a whole reply can have them; of one that was cut short a failure is told instead."""


class ReplyStats(msgspec.Struct, frozen=True, kw_only=True):
    """- time_to_first_token: seconds from the request, with loading. - generation_time: from the first token on.

    - stop_reason: of the first choice; None where it may also have ended with one of the tokens that the request named.
    """

    tokens_per_second: float | None
    time_to_first_token: float | None
    generation_time: float
    stop_reason: StopReason | None


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """- context_length: of the instance, not the model's own limit."""

    arch: str | None
    quant: str | None
    format: Literal["gguf"] = "gguf"
    context_length: int


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What runs the model."""

    name: str
    version: str
    supported_formats: list[str]


class Additions(msgspec.Struct, frozen=True, kw_only=True):
    """The further fields of a reply."""

    stats: ReplyStats
    model_info: ModelFacts
    runtime: Runtime


def additions(services: Services, instance: InstanceInfo, stats: ReplyStats) -> Additions:
    """The further fields of an instance's reply."""
    model = _model(services, instance.model)
    name, _, version = instance.runtime.partition(" ")
    return Additions(
        stats=stats,
        model_info=ModelFacts(
            arch=model.architecture if model is not None else None,
            quant=model.quantization if model is not None else None,
            context_length=instance.context_length,
        ),
        runtime=Runtime(name=name, version=version, supported_formats=["gguf"]),
    )


def reply_stats(reply: ChatReply, sampling: Sampling, instance: InstanceInfo) -> ReplyStats:
    """Of a text that was written."""
    stats = reply.stats
    return ReplyStats(
        tokens_per_second=stats.tokens_per_second or None,
        time_to_first_token=stats.time_to_first_token,
        generation_time=stats.decode_seconds,
        stop_reason=stop_reason(reply, sampling, instance.context_length),
    )


def embedding_stats(reply: EmbedReply) -> ReplyStats:
    """Of vectors: how fast the texts were read. There is no first token, and nothing to stop."""
    return ReplyStats(
        tokens_per_second=reply.prompt_tokens / reply.seconds if reply.seconds > 0 else None,
        time_to_first_token=None,
        generation_time=reply.seconds,
        stop_reason=None,
    )


def stop_reason(reply: ChatReply, sampling: Sampling, context_length: int) -> StopReason | None:
    """Why the reply ended."""
    if reply.finish_reason == "tool_calls":
        return "toolCalls"
    if reply.finish_reason == "length":
        limit = sampling.max_tokens
        fits = limit is not None and reply.stats.prompt_tokens + limit <= context_length
        return "maxPredictedTokensReached" if fits else "contextLengthReached"
    if reply.stop_text is not None:
        return "stopStringFound"
    return None if sampling.stop_tokens else "eosFound"


def _model(services: Services, key: str) -> ModelInfo | None:
    return next((model for model in services.library.ls() if model.key == key), None)
