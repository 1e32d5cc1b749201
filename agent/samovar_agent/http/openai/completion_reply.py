"""A whole reply of `POST /v1/completions`, byte for byte as OpenAI's clients expect it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from samovar_agent.http.openai.accounting import Speeds, Timings, Usage, speeds, timings, usage
from samovar_agent.http.openai.completion_logprobs import TextLogprobs, TokenOffsets
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Choice, FinishReason


class TextChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the replies; those to the first prompt come first."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: FinishReason


class TextCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply. - stats: LM Studio's, where they were asked for."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    samovar: Timings
    stats: Speeds | UnsetType = UNSET


def text_completion(reply: ChatReply, *, id: str, created: int, echoes: Sequence[str], stats: bool) -> bytes:
    """The whole reply. - echoes: what stands before the text of each choice."""
    choices: list[ChatReply | Choice] = [reply, *reply.alternatives]
    return msgspec.json.encode(
        TextCompletion(
            id=id,
            created=created,
            model=reply.model,
            choices=[
                TextChoice(
                    index=index,
                    text=echo + choice.text,
                    logprobs=TokenOffsets().logprobs_of(choice.logprobs),
                    finish_reason=choice.finish_reason,
                )
                for index, (choice, echo) in enumerate(zip(choices, echoes, strict=True))
            ],
            usage=usage(reply.stats, 0),
            samovar=timings(reply.stats),
            stats=speeds(reply.stats) if stats else UNSET,
        )
    )
