"""The body of `POST /v1/responses`: what is honoured, what is harmless, and what is refused.

As in `chat_request`, no parameter is ignored in silence: one that would change the reply and is not supported is a 400
that names it, unless it has the value that asks for nothing; so is one that nobody documented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import check_depth, convert, refuse
from samovar_agent.http.openai.keeping import Ttl
from samovar_agent.http.openai.responses_items import ItemId
from samovar_agent.http.openai.responses_tools import ToolsGiven, tools_given
from samovar_agent.http.openai.without_effect import (
    CacheOptions,
    CacheRetention,
    Metadata,
    ServiceTier,
    without_effect,
)
from samovar_protocol.values import AnyJson, ChatOptions, JsonSchema, Name, ReplyFormat, Sampling

Raw = dict[str, Any]

_REFUSED: dict[str, tuple[Any, ...]] = {
    "access_programs": ({},),
    "background": (False,),
    "background_options": ({},),
    "context_management": ([],),
    "conversation": (),
    "image": ({}, {"context_compression": "auto"}),
    "moderation": (),
    "prompt": (),
    "truncation": ("disabled",),
}
"""Documented parameters that are refused, each with the values that ask for nothing; null always does."""

_HINTS = {
    "background": "Leave it out; with 'stream' the reply comes as it is written.",
    "conversation": "Use previous_response_id instead.",
    "prompt": "Send its text as 'instructions'.",
    "truncation": "Send 'disabled': a conversation that is too long for the model is refused.",
}
_REASONING_REFUSED: dict[str, tuple[Any, ...]] = {"context": ("auto",), "mode": ("standard",)}
_OF_THOUGHT = ("effort", "summary", "generate_summary")

_SEARCH_TEMPERATURE = 0.2
"""Where documents are to be told and not made up, as in `DocsAsk`."""

LOGPROBS = "message.output_text.logprobs"
RESULTS = "file_search_call.results"
Included = Literal[
    "file_search_call.results",
    "message.output_text.logprobs",
    # Told to be without effect: thoughts are told in the open, and taken back that way.
    "reasoning.encrypted_content",
    # Of items that there never are.
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]


class TextFormat(msgspec.Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class JsonObjectFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """A JSON object."""


class JsonSchemaFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON that a schema allows. - name: for nobody but the client. - description: not shown to the model. - strict:
    accepted either way, because the reply always follows the schema here."""

    name: Name
    schema: Raw
    description: str | None = None
    strict: bool | None = None


class TextConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the text of the reply must be."""

    format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    verbosity: Any = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """- effort: "none" for no thinking; what else there is, templates that know degrees are told.

    - summary: the thoughts are told as the summary, all of them; "concise" would need somebody to shorten them, and is
    refused. Without it they are told as what they are. - generate_summary: its older name.
    """

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Any = None
    mode: Any = None


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- include_obfuscation: there is none."""

    include_obfuscation: Literal[False] | None = None


class ResponseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out. Ranges are those of `Sampling` and `ChatOptions`."""

    model: Name | None = None
    input: str | Annotated[list[Raw], Meta(max_length=20_000)] | None = None
    instructions: str | None = None
    previous_response_id: ItemId | None = None
    store: bool | None = None  # true where it is left out
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    include: list[Included] | None = None
    # What the reply may be.
    tools: Annotated[list[Raw], Meta(max_length=1024)] | None = None
    tool_choice: str | Raw | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None  # of our own tools; there is at most one search
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    top_logprobs: int | None = None
    # How tokens are chosen.
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    ttl: Ttl | None = None  # LM Studio's: how long the model stays
    metadata: Metadata | None = None  # kept and told again
    # Told again, and told to be without effect.
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: CacheRetention | None = None
    # Accepted, and told to be without effect.
    service_tier: ServiceTier | None = None
    prompt_cache_options: CacheOptions | None = None
    client_metadata: Any = None
    # Refused unless they ask for nothing: `_REFUSED`.
    access_programs: Any = None
    background: Any = None
    background_options: Any = None
    context_management: Any = None
    conversation: Any = None
    image: Any = None
    moderation: Any = None
    prompt: Any = None
    truncation: Any = None

    def check(self) -> None:
        """Raise `bad_request` for parameters that are refused or do not fit together."""
        refuse(self, _REFUSED, "", hints=_HINTS)
        wanted = self.text.format if self.text is not None else None
        schema = wanted.schema if isinstance(wanted, JsonSchemaFormat) else None
        check_depth(self.input, self.tools, self.tool_choice, schema)
        if self.input is None and self.previous_response_id is None:
            raise bad_request("'input' is missing.", param="input")
        if self.text is not None:
            refuse(self.text, {"verbosity": ("medium",)}, "text.")
        if self.reasoning is not None:
            refuse(self.reasoning, _REASONING_REFUSED, "reasoning.")
            for name in ("summary", "generate_summary"):
                if getattr(self.reasoning, name) == "concise":
                    raise bad_request(
                        f"'reasoning.{name}' cannot be concise: nobody here shortens thoughts.",
                        param=f"reasoning.{name}",
                        hint="Send auto, for all of them, or leave it out.",
                    )
        if self.top_logprobs and not self.includes(LOGPROBS):
            raise bad_request(f"'top_logprobs' needs '{LOGPROBS}' in 'include'.", param="top_logprobs")

    def to_headers(self, thinks: Callable[[], bool]) -> dict[str, str]:
        """What a reply says of parameters without effect. - thinks: whether the model can, where it matters."""
        wanted = self.text.format if self.text is not None else None
        further = ["include"] if self.includes("reasoning.encrypted_content") else []
        if isinstance(wanted, JsonSchemaFormat) and wanted.description:
            further.append("text.format.description")
        if self.reasoning is not None:
            named = [name for name in _OF_THOUGHT if getattr(self.reasoning, name) not in (None, "none")]
            further += [f"reasoning.{name}" for name in named if not thinks()]
        return without_effect(self, honoured=("metadata", "store"), further=further)

    def includes(self, what: str) -> bool:
        """Whether the client asked for this to be told too."""
        return what in (self.include or ())

    @property
    def wants_summary(self) -> bool:
        """Whether thoughts are told as a summary."""
        return self.reasoning is not None and bool(self.reasoning.summary or self.reasoning.generate_summary)

    def checked_tools(self) -> ToolsGiven:
        """`check`, and what may be called; raises `bad_request`."""
        self.check()
        return tools_given(self.tools or [], "auto" if self.tool_choice is None else self.tool_choice)

    def to_sampling(self, *, from_documents: bool) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range."""
        temperature = _SEARCH_TEMPERATURE if from_documents and self.temperature is None else self.temperature
        values = {"temperature": temperature, "top_p": self.top_p, "max_tokens": self.max_output_tokens}
        return convert(_given(values), Sampling, {"max_tokens": "max_output_tokens"})

    def to_options(self, tools: ToolsGiven) -> ChatOptions:
        """What the reply may be; raises `bad_request` for a value out of range."""
        effort = self.reasoning.effort if self.reasoning is not None else None
        values = {
            "tools": tools.functions,
            "tool_choice": tools.choice,
            "parallel_tool_calls": self.parallel_tool_calls,
            "reply_format": self._reply_format(),
            "thinking": None if effort is None else effort != "none",
            # Templates that know degrees of thinking call them as OpenAI does.
            "template_arguments": None if effort in (None, "none") else {"reasoning_effort": effort},
            "logprobs": self.includes(LOGPROBS),
            "top_logprobs": self.top_logprobs,
        }
        return convert(_given(values), ChatOptions)

    def _reply_format(self) -> ReplyFormat | None:
        wanted = self.text.format if self.text is not None else None
        if isinstance(wanted, JsonSchemaFormat):
            return JsonSchema(json_schema=wanted.schema)
        return AnyJson() if isinstance(wanted, JsonObjectFormat) else None


def _given(values: Raw) -> Raw:
    return {name: value for name, value in values.items() if value is not None}
