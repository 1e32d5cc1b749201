"""The body of `POST /api/v1/chat`: what is honoured and what is refused; nothing is ignored in silence."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.engine.instances import Keep
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert
from samovar_agent.http.lmstudio.errors import invalid_value, not_implemented
from samovar_agent.http.lmstudio.reasoning_options import Reasoning, options_of
from samovar_agent.http.openai.keeping import Ttl, keep_of
from samovar_agent.models.gguf import GgufHeader
from samovar_protocol.values import ChatOptions, ModelInfo, Name, Sampling

MOST_PARTS = 20_000


class TextPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text. - type: "text" is what LM Studio's own example says."""

    content: str
    type: Literal["message", "text"]


class ImagePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image, as a data URL."""

    data_url: str
    type: Literal["image"]


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out. Ranges are those of `Sampling`."""

    model: Name
    input: str | Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_PARTS)]
    system_prompt: str | None = None
    integrations: list[str | dict[str, Any]] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    max_output_tokens: int | None = None
    reasoning: Reasoning | None = None
    context_length: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    store: bool | None = None  # true where it is left out
    previous_response_id: Annotated[str, Meta(pattern="^resp_", max_length=300)] | None = None
    ttl: Ttl | None = None  # any request of LM Studio's may have it, says its documentation of loading

    def texts(self) -> list[str]:
        """The parts of what the person says; raises `bad_request` for what is no text."""
        if self.integrations:
            raise not_implemented(
                "Tools of MCP servers and plugins are not supported.",
                param="integrations",
                hint="Leave it out, or send functions to /v1/chat/completions and call them yourself.",
            )
        if isinstance(self.input, str):
            return [self.input]
        return [_text_of(part, f"input[{number}]") for number, part in enumerate(self.input)]

    def to_keep(self) -> Keep:
        """How the model is loaded where it is not, and how long it then stays."""
        return keep_of(self.ttl)._replace(context=self.context_length)

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range."""
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repeat_penalty": self.repeat_penalty,
            "max_tokens": self.max_output_tokens,
        }
        given = {name: value for name, value in values.items() if value is not None}
        return convert(given, Sampling, {"max_tokens": "max_output_tokens"})

    def to_options(self, model: ModelInfo, header: GgufHeader | None) -> ChatOptions:
        """Whether the model thinks first; raises `bad_request` for what it has no setting for."""
        if self.reasoning is None:
            return ChatOptions()
        if self.reasoning == "off" and "thinking" not in model.capabilities:
            return ChatOptions()  # it never does
        known = options_of(model, header)
        if known is None or self.reasoning not in known.allowed_options:
            raise invalid_value(
                f"'{model.key}' has no reasoning setting '{self.reasoning}'.",
                param="reasoning",
                hint=f"It has: {', '.join(known.allowed_options)}." if known is not None else "Leave it out.",
            )
        degree = {} if self.reasoning in ("off", "on") else {"reasoning_effort": self.reasoning}
        return ChatOptions(thinking=self.reasoning != "off", template_arguments=degree)


def _text_of(part: dict[str, Any], path: str) -> str:
    kind = part.get("type")
    if kind == "image":
        convert(part, ImagePart, at=path)
        raise bad_request("Images are not supported.", param=path, hint="Send text only.")
    if kind is not None and kind not in ("message", "text"):
        raise bad_request(
            f"Input of the type {str(kind)[:50]!r} is not supported.", param=f"{path}.type", hint="Send 'message'."
        )
    return convert(part, TextPart, at=path).content
