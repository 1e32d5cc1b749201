"""What a reply took: token counts as OpenAI has them, and our own addition."""

from __future__ import annotations

import msgspec

from samovar_protocol.values import Stats


class PromptTokensDetails(msgspec.Struct, frozen=True):
    """- cached_tokens: how much of the prompt was not computed again."""

    cached_tokens: int


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    """- reasoning_tokens: how much of the reply was thinking."""

    reasoning_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Token counts of a reply; of all choices together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class InputTokensDetails(msgspec.Struct, frozen=True):
    """- cached_tokens: not computed again. - cache_write_tokens: none that anybody would be billed for."""

    cached_tokens: int
    cache_write_tokens: int = 0


class ResponseUsage(msgspec.Struct, frozen=True):
    """Token counts of a response."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: CompletionTokensDetails
    total_tokens: int


class PromptUsage(msgspec.Struct, frozen=True):
    """Token counts where nothing is written, as for vectors."""

    prompt_tokens: int
    total_tokens: int


class Timings(msgspec.Struct, frozen=True):
    """Our own addition, `samovar`: where the time went, and what guessing ahead brought."""

    queue_seconds: float
    load_seconds: float
    prompt_seconds: float
    decode_seconds: float
    tokens_per_second: float
    drafted_tokens: int
    accepted_tokens: int


class Speeds(msgspec.Struct, frozen=True):
    """LM Studio's `stats`, in seconds."""

    tokens_per_second: float
    time_to_first_token: float
    generation_time: float


def usage(stats: Stats, reasoning_tokens: int) -> Usage:
    """The counts of one request."""
    return Usage(
        prompt_tokens=stats.prompt_tokens,
        completion_tokens=stats.completion_tokens,
        total_tokens=stats.prompt_tokens + stats.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(stats.cached_tokens),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens),
    )


def response_usage(stats: Stats, reasoning_tokens: int) -> ResponseUsage:
    """The same counts, as a response names them."""
    return ResponseUsage(
        input_tokens=stats.prompt_tokens,
        input_tokens_details=InputTokensDetails(stats.cached_tokens),
        output_tokens=stats.completion_tokens,
        output_tokens_details=CompletionTokensDetails(reasoning_tokens),
        total_tokens=stats.prompt_tokens + stats.completion_tokens,
    )


def timings(stats: Stats) -> Timings:
    """The times of one request."""
    return Timings(
        queue_seconds=stats.queue_seconds,
        load_seconds=stats.load_seconds,
        prompt_seconds=stats.prompt_seconds,
        decode_seconds=stats.decode_seconds,
        tokens_per_second=stats.tokens_per_second,
        drafted_tokens=stats.drafted_tokens,
        accepted_tokens=stats.accepted_tokens,
    )


def speeds(stats: Stats) -> Speeds:
    """How fast one request was, as LM Studio tells it."""
    return Speeds(
        tokens_per_second=stats.tokens_per_second,
        time_to_first_token=stats.time_to_first_token,
        generation_time=stats.decode_seconds,
    )
