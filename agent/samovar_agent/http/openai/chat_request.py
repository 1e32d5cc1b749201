"""The body of `POST /v1/chat/completions`: what is honoured, what is harmless, and what is refused.

No parameter is ignored in silence. One that would change the reply and is not supported is a 400 that names it, unless
it has the value that asks for nothing (`tools: []`, `n: 1`); so is one that nobody documented.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert
from samovar_protocol.values import Message, Name, Sampling

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Documented parameters that are refused, each with the values that ask for nothing; null always does."""

_MESSAGE_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "function_call": (),
    "refusal": (),
    "tool_calls": ([],),
}


class Part(msgspec.Struct, frozen=True):
    """A piece of a message's content. Only text is understood; other types are refused by name."""

    type: str
    text: str | None = None


class ChatMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message as clients send it, also one that was a reply before."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    # Accepted without effect: chat templates have no place for names and ids, reasoning is not read back in, and
    # prefixes are cached without being told.
    name: str | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    annotations: list[Any] | None = None
    cache_control: Any = None
    # Refused unless they ask for nothing.
    audio: Any = None
    function_call: Any = None
    refusal: Any = None
    tool_calls: Any = None


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- include_usage: one more chunk at the end, without choices, with the token counts."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out. Ranges are those of `Sampling`."""

    model: Name
    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=20_000)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None  # any integer, as OpenAI allows; larger and negative ones are folded into our range
    stop: str | list[str] | None = None
    max_tokens: int | None = None  # -1 for no limit, as LM Studio and llama.cpp have it
    max_completion_tokens: int | None = None  # OpenAI's newer name; wins over max_tokens
    # Not OpenAI's, but what local servers understand.
    top_k: int | None = None  # -1 keeps all, like 0
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None  # vLLM's name for it
    ignore_eos: bool | None = None
    # Accepted without effect: nobody here keeps, bills, ranks or screens requests, and prefixes are always cached.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    cache_prompt: Any = None
    # Refused unless they ask for nothing: `_ASKS_FOR_NOTHING`.
    audio: Any = None
    function_call: Any = None
    functions: Any = None
    logit_bias: Any = None
    logprobs: Any = None
    modalities: Any = None
    moderation: Any = None
    n: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    reasoning_effort: Any = None
    response_format: Any = None
    tool_choice: Any = None
    tools: Any = None
    top_logprobs: Any = None
    verbosity: Any = None
    web_search_options: Any = None

    def to_messages(self) -> list[Message]:
        """The conversation; raises `bad_request`, also for parameters that are refused."""
        _refuse(self, _ASKS_FOR_NOTHING, "")
        return [_message(message, f"messages[{index}]") for index, message in enumerate(self.messages)]

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range."""
        limit_name = "max_tokens" if self.max_completion_tokens is None else "max_completion_tokens"
        limit = getattr(self, limit_name)
        repeat_name = "repetition_penalty" if self.repeat_penalty is None else "repeat_penalty"
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": 0 if self.top_k == -1 else self.top_k,
            "min_p": self.min_p,
            "typical_p": self.typical_p,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "repeat_penalty": getattr(self, repeat_name),
            "seed": None if self.seed is None else self.seed % 0xFFFFFFFF,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
            "max_tokens": None if limit == -1 else limit,
            "ignore_eos": self.ignore_eos,
        }
        given = {name: value for name, value in values.items() if value is not None}
        return convert(given, Sampling, {"max_tokens": limit_name, "repeat_penalty": repeat_name})

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of token counts."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


def _refuse(given: ChatRequest | ChatMessage, rules: dict[str, tuple[Any, ...]], path: str) -> None:
    for name, harmless in rules.items():
        value = getattr(given, name)
        # The types too, because 1 == True.
        if value is None or any(value == ok and type(value) is type(ok) for ok in harmless):
            continue
        raise bad_request(f"'{path}{name}' is not supported.", param=f"{path}{name}", hint="Leave it out.")


def _message(message: ChatMessage, path: str) -> Message:
    _refuse(message, _MESSAGE_ASKS_FOR_NOTHING, f"{path}.")
    content = message.content
    if content is None:
        if message.role != "assistant":
            raise bad_request(f"'{path}.content' is missing.", param=f"{path}.content")
        content = ""
    elif not isinstance(content, str):
        content = "\n".join(_text(part, f"{path}.content[{index}]") for index, part in enumerate(content))
    return Message(role="system" if message.role == "developer" else message.role, content=content)


def _text(part: Part, path: str) -> str:
    if part.type != "text":
        what = "no vision: images are" if part.type.startswith("image") else f"'{part.type}' is"
        raise bad_request(f"{what[0].upper()}{what[1:]} not supported.", param=path, hint="Send text parts only.")
    if part.text is None:
        raise bad_request(f"'{path}.text' is missing.", param=f"{path}.text")
    return part.text
