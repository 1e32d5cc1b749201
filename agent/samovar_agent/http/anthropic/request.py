"""The bodies of `POST /v1/messages` and `/v1/messages/count_tokens`: what is honoured, harmless, and refused.

No parameter is ignored in silence. One that would change the reply and is not supported is a 400 that names it, unless
it has the value that asks for nothing (`mcp_servers: []`); so is one that nobody documented.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from samovar_agent.http.anthropic.blocks import TextBlock
from samovar_agent.http.anthropic.conversation import Conversation, MessageParam, conversation, without_thoughts
from samovar_agent.http.anthropic.tools import AutoChoice, Choice, NoChoice, chosen, offered
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import check_depth, convert, refuse
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import ChatOptions, JsonSchema, Message, Name, Sampling

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "billing_policy": ({"type": "billing_policy", "bill_to": "self"},),
    "compaction": (),
    "container": (),
    "fallback_credit_token": (),
    "fallbacks": ([],),
    "inference_geo": (),
    "mcp_servers": ([],),
    "speed": ("standard",),
}
"""Documented parameters that are refused, each with the values that ask for nothing; null always does."""

Display = Literal["summarized", "omitted"]


class BlockBinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with thinking of another conversation; nobody here looks whose it is, so it is never found."""

    prefix_mismatch_behavior: Literal["error", "drop_block"] | None = None


class ThinkingEnabled(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="enabled", forbid_unknown_fields=True
):
    """Reason first. - budget_tokens: after so many the model is made to answer. - display: what is shown of it."""

    budget_tokens: Annotated[int, Meta(ge=1)]
    display: Display | None = None
    block_binding: BlockBinding | None = None


class ThinkingAdaptive(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="adaptive", forbid_unknown_fields=True
):
    """Reason first, as much as the model likes."""

    display: Display | None = None
    block_binding: BlockBinding | None = None


class ThinkingDisabled(msgspec.Struct, frozen=True, tag_field="type", tag="disabled", forbid_unknown_fields=True):
    """Answer at once, where the model has that switch."""


class JsonFormat(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="json_schema", forbid_unknown_fields=True
):
    """JSON that a schema allows."""

    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """- effort: for templates that know degrees of thinking. - task_budget: refused."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None
    task_budget: Any = None


class ThinkingTurns(msgspec.Struct, frozen=True, tag_field="type", tag="thinking_turns", forbid_unknown_fields=True):
    """The last ones."""

    value: Annotated[int, Meta(ge=1)]


class AllTurns(msgspec.Struct, frozen=True, tag_field="type", tag="all", forbid_unknown_fields=True):
    """Every one."""


class ClearThinking(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag="clear_thinking_20251015",
    forbid_unknown_fields=True,
):
    """Forget what was thought in earlier turns. - keep: in which it is not."""

    keep: Literal["all"] | ThinkingTurns | AllTurns = ThinkingTurns(1)


class ContextManagement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- edits: what to leave out of the conversation."""

    edits: list[ClearThinking] | None = None


class Diagnostics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """- previous_message_id: with whose prompt to compare; nothing is kept of it, so the reply says "unavailable"."""

    previous_message_id: str | None = None


class PromptRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """All that a prompt depends on; the body of `count_tokens`. null means the same as leaving out."""

    model: Name
    messages: Annotated[list[MessageParam], Meta(min_length=1, max_length=100_000)]
    system: str | list[TextBlock] | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=1024)] | None = None
    tool_choice: Choice | None = None
    thinking: ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled | None = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None  # the older place of output_config.format
    context_management: ContextManagement | None = None
    # Accepted without effect: beginnings of prompts are always cached.
    cache_control: Any = None
    # Refused unless they ask for nothing: `_ASKS_FOR_NOTHING`.
    billing_policy: Any = None
    compaction: Any = None
    mcp_servers: Any = None
    speed: Any = None

    def to_messages(self) -> list[Message]:
        """The conversation; raises `bad_request`, also for parameters that are refused."""
        rules = {name: harmless for name, harmless in _ASKS_FOR_NOTHING.items() if name in self.__struct_fields__}
        refuse(self, rules, "")
        if self.output_config is not None:
            refuse(self.output_config, {"task_budget": ()}, "output_config.")
        messages = self._conversation.messages
        for edit in (self.context_management.edits if self.context_management else None) or ():
            if isinstance(edit.keep, ThinkingTurns):
                messages = without_thoughts(messages, but=edit.keep.value)
        return messages

    def to_options(self) -> ChatOptions:
        """What the reply may be; raises `bad_request` where parameters do not fit together."""
        begun, schema = self._conversation.begun, self._schema()
        thinks = isinstance(self.thinking, ThinkingEnabled | ThinkingAdaptive)
        if begun and (thinks or schema is not None):
            raise bad_request(
                "The last message is the beginning of the reply, which leaves no room for thinking and formats.",
                param="thinking" if thinks else "output_config.format",
                hint="End with a message of the user, or leave this out.",
            )
        choice = self.tool_choice or AutoChoice()
        tools = offered(self.tools or [], self._conversation.changes)
        effort = self.output_config.effort if self.output_config else None
        values = {
            "tools": tools,
            "tool_choice": chosen(choice, tools),
            "parallel_tool_calls": isinstance(choice, NoChoice) or not choice.disable_parallel_tool_use,
            "reply_format": None if schema is None else JsonSchema(json_schema=schema),
            "thinking": None if self.thinking is None else thinks,
            "thinking_budget": self.thinking.budget_tokens if isinstance(self.thinking, ThinkingEnabled) else None,
            "continue_final_message": begun,
            "template_arguments": {"reasoning_effort": effort} if effort else {},
        }
        return convert(values, ChatOptions, {"thinking_budget": "thinking.budget_tokens"})

    @cached_property
    def _conversation(self) -> Conversation:
        return conversation(self.system, self.messages)

    def _schema(self) -> dict[str, Any] | None:
        newer = self.output_config.format if self.output_config else None
        if newer is not None and self.output_format is not None:
            raise bad_request("There are two formats.", param="output_format", hint="Send output_config.format alone.")
        found = newer or self.output_format
        if found is None:
            return None
        check_depth(found.schema)
        return found.schema


class MessagesRequest(PromptRequest, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The body of `messages`. Ranges are those of `Sampling`. - max_tokens: 0 computes the prompt, and no reply."""

    max_tokens: Annotated[int, Meta(ge=0)]
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    diagnostics: Diagnostics | None = None
    # Accepted without effect, as the reply says: nobody here keeps, bills or ranks requests.
    metadata: Any = None
    service_tier: Literal["auto", "standard_only"] | None = None  # either is what there is
    # Refused unless they ask for nothing: `_ASKS_FOR_NOTHING`.
    container: Any = None
    fallback_credit_token: Any = None
    fallbacks: Any = None
    inference_geo: Any = None
    thread: Any = None  # a conversation that the server keeps

    def to_messages(self) -> list[Message]:
        """The conversation; raises `bad_request`, also for parameters that are refused."""
        if self.thread is not None:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                "'thread' is not supported: no conversation is kept here.",
                hint="Send all of its messages each time, and leave this out.",
                # By this word Anthropic's client goes on without threads.
                details={"param": "thread", "error_code": "thread_unsupported_request"},
            )
        return super().to_messages()

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range."""
        if self.max_tokens == 0 and self.stream:
            raise bad_request("'max_tokens' is 0: there is nothing to stream.", param="max_tokens", hint="Send 1.")
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop": self.stop_sequences,
            "max_tokens": max(1, self.max_tokens),
        }
        given = {name: value for name, value in values.items() if value is not None}
        return convert(given, Sampling, {"stop": "stop_sequences"})

    def without_effect(self, *, thinks: bool) -> list[str]:
        """What it asks for in vain, by name. - thinks: whether the model can."""
        found = ["metadata"] if self.metadata else []
        if isinstance(self.thinking, ThinkingEnabled | ThinkingAdaptive):
            found += [] if thinks else ["thinking"]
            binding = self.thinking.block_binding
            found += ["thinking.block_binding"] if binding is not None and binding.prefix_mismatch_behavior else []
        if self.output_config is not None and self.output_config.effort and not thinks:
            found.append("output_config.effort")
        return found

    @property
    def shows_thinking(self) -> bool:
        """Whether the reply has what the model thought, or only says that it did."""
        shown = isinstance(self.thinking, ThinkingEnabled | ThinkingAdaptive) and self.thinking.display == "omitted"
        return not shown

    @property
    def diagnosed(self) -> bool:
        """Whether the reply must say something of the cache."""
        return self.diagnostics is not None and self.diagnostics.previous_message_id is not None
